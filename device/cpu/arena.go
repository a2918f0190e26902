package cpu

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"voxgrad/internal/text"
)

// pool keeps freed memory for reuse. A training step asks for the same sizes
// again and again, so nearly every request finds an exact fit. The caller locks.
type pool struct {
	free  map[int][][]float32 // by capacity in floats
	held  int64               // bytes in free
	used  int64               // bytes of live tensors
	peak  int64
	high  int64 // peak that ResetPeak leaves alone
	limit int64
	auto  bool // the limit is what the machine has to spare
}

// roundUp makes sizes meet more often: to 1 KiB, above 1 MiB to 64 KiB.
func roundUp(n int) int {
	unit := 1 << 8
	if n > 1<<18 {
		unit = 1 << 14
	}
	return max(unit, (n+unit-1)/unit*unit)
}

// take gives n floats.
func (p *pool) take(n int) ([]float32, error) {
	want := roundUp(n)
	best := 0
	for size := range p.free {
		if size >= want && size <= want+want/4 && (best == 0 || size < best) {
			best = size
		}
	}
	if best != 0 {
		return p.pop(best), nil
	}
	bytes := int64(want) * 4
	if p.auto && bytes > p.limit-p.used {
		p.limit = p.used + p.held + availableMemory() // others may have left since
	}
	if bytes > p.limit-p.used {
		return nil, fmt.Errorf("%s wanted, %s in use, limit %s (use smaller patches or a smaller batch)",
			text.Bytes(bytes), text.Bytes(p.used), text.Bytes(p.limit))
	}
	// Keep unused memory to half of what the work has needed so far.
	room := min(p.limit, max(p.high, p.used+bytes)/2*3)
	for p.held > 0 && p.used+p.held+bytes > room {
		largest := 0
		for s := range p.free {
			largest = max(largest, s)
		}
		p.pop(largest)
	}
	return aligned(want), nil
}

func (p *pool) pop(size int) []float32 {
	list := p.free[size]
	x := list[len(list)-1]
	list[len(list)-1] = nil
	if len(list) == 1 {
		delete(p.free, size)
	} else {
		p.free[size] = list[:len(list)-1]
	}
	p.held -= int64(size) * 4
	return x
}

func (p *pool) give(x []float32) {
	if cap(x) == 0 {
		return
	}
	p.free[cap(x)] = append(p.free[cap(x)], x[:cap(x)])
	p.held += int64(cap(x)) * 4
}

// availableMemory is what Linux says can be used without swapping, or what is
// left of the control group's limit if that is less; elsewhere no limit.
func availableMemory() int64 {
	const most = math.MaxInt64 / 4
	limit := int64(most)
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			f := strings.Fields(line)
			if len(f) == 3 && f[0] == "MemAvailable:" {
				if kib, err := strconv.ParseInt(f[1], 10, 64); err == nil {
					limit = kib << 10
				}
			}
		}
	}
	const group = "/sys/fs/cgroup"
	for _, names := range [][2]string{{"memory.max", "memory.current"}, {"memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"}} {
		most, err1 := readInt(filepath.Join(group, names[0]))
		now, err2 := readInt(filepath.Join(group, names[1]))
		if err1 == nil && err2 == nil && most > now {
			limit = min(limit, most-now)
		}
	}
	return limit
}

func readInt(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
}
