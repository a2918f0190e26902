//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// contestant is how a process that computes passes is started.
type contestant struct {
	name string
	argv []string
	env  []string
}

// formats are PyTorch's ways to compute the same.
var formats = []string{"contiguous", "channels_last_3d", "contiguous-compiled", "channels_last_3d-compiled"}

// arguments are the settings as flags of both programs.
func (s settings) arguments() []string {
	return []string{"-model", s.Model, "-up", s.Up, "-width", fmt.Sprint(s.Width), "-patch", fmt.Sprint(s.Patch), "-batch", fmt.Sprint(s.Batch), "-threads", fmt.Sprint(s.Threads)}
}

func ours(s settings) contestant {
	self, err := os.Executable()
	must(err)
	c := contestant{name: "voxgrad", argv: append([]string{self, "-serve"}, s.arguments()...)}
	if s.AVX2 {
		c.env = []string{"VOXGRAD_CPU=avx2"}
	}
	return c
}

func pytorch(s settings, python, format string) contestant {
	script := filepath.Join("tools", "steptime", "pytorch.py")
	c := contestant{name: "PyTorch " + format, argv: append([]string{python, script, "-format", format}, s.arguments()...)}
	c.env = []string{"CUDA_VISIBLE_DEVICES=", "PYTHONWARNINGS=ignore"}
	if s.AVX2 {
		c.env = append(c.env, "ONEDNN_MAX_CPU_ISA=AVX2", "ATEN_CPU_CAPABILITY=avx2", "MKL_ENABLE_INSTRUCTIONS=AVX2")
	}
	return c
}

// process is a contestant at work: it answers each line with a line of JSON.
type process struct {
	name   string
	before int64
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
}

// answer is what a process says.
type answer struct {
	Name    string  `json:"name,omitempty"` // at the start
	Skip    string  `json:"skip,omitempty"` // why this way is not possible here
	Seconds float64 `json:"seconds,omitempty"`
	CPU     float64 `json:"processor_seconds,omitempty"`
	Flops   int64   `json:"executed_flops,omitempty"` // of this program's kernels
	Bytes   int64   `json:"peak_bytes,omitempty"`
	Loss    float64 `json:"loss,omitempty"`
	Peaks   []peak  `json:"peaks,omitempty"`
}

// peak is a rate of fused multiply-adds.
type peak struct {
	Lanes  int     `json:"lanes"`
	GFlops float64 `json:"gflops"`
}

// skipped is why a contestant cannot compute here.
type skipped string

func (s skipped) Error() string { return string(s) }

func start(c contestant) (*process, error) {
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{name: c.name, cmd: cmd, in: in, out: bufio.NewReader(out)}
	a, err := p.read()
	if err == nil && a.Skip != "" {
		err = skipped(a.Skip)
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	p.before = a.Bytes
	if a.Name != "" {
		p.name = a.Name
	}
	return p, nil
}

func (p *process) ask(what string) (answer, error) {
	if _, err := fmt.Fprintln(p.in, what); err != nil {
		return answer{}, err
	}
	return p.read()
}

func (p *process) read() (a answer, err error) {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return a, fmt.Errorf("it ended before it answered: %w", errors.Join(err, p.cmd.Wait()))
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("it answered %q", line)
	}
	return a, nil
}

func (p *process) stop() {
	p.in.Close()
	_ = p.cmd.Wait() // it has answered, or its error is known
}

// pin keeps the processes to be started on the first n cores that this one may use, and returns their number.
func pin(n int) (int, error) {
	runtime.LockOSThread() // children inherit the thread's cores
	var may, use unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return 0, err
	}
	if n == 0 {
		n = may.Count()
	}
	for core := 0; use.Count() < n; core++ {
		if core >= 8*len(may)*8 {
			return 0, fmt.Errorf("%d threads, but %d cores", n, may.Count())
		}
		if may.IsSet(core) {
			use.Set(core)
		}
	}
	return n, unix.SchedSetaffinity(0, &use)
}
