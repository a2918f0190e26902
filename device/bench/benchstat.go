package bench

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
)

// WriteBenchstat writes the samples in the format of Go benchmarks (Go proposal
// 14313), a line each, for benchstat.
func (r *Report) WriteBenchstat(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "goos: %s\ngoarch: %s\npkg: voxgrad\ndevice: %s\n", runtime.GOOS, runtime.GOARCH, r.Device)
	for _, x := range r.Results {
		for _, s := range x.Seconds {
			fmt.Fprintf(b, "Benchmark%s 1 %.0f ns/op", x.Name, s*1e9)
			if x.Flops > 0 {
				fmt.Fprintf(b, " %.3f GFLOP/s", rate(x.Flops, s))
			}
			fmt.Fprintf(b, " %.3f GB/s\n", rate(x.Bytes, s))
		}
		for kernel, counts := range sorted(x.Counts) {
			fmt.Fprintf(b, "Benchmark%s/kernel=%s 1", x.Name, kernel)
			for k, n := range sorted(counts) {
				fmt.Fprintf(b, " %d %s", n, k)
			}
			fmt.Fprintln(b)
		}
	}
	return b.Flush()
}
