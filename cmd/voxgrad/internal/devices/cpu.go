package devices

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/cpu"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/internal/par"
)

// hostCPU is the processor.
type hostCPU struct {
	Model     string   `json:"model"`
	Features  []string `json:"features"`
	Cores     int      `json:"cores"`
	Threads   int      `json:"threads"` // that would be used
	Memory    int64    `json:"memory_bytes"`
	Available int64    `json:"available_bytes"`
	Cache     int64    `json:"cache_bytes"` // the last level
	Backend   string   `json:"backend"`
}

func findCPU() hostCPU {
	c := hostCPU{Model: runtime.GOARCH, Cores: runtime.NumCPU(), Threads: par.Threads(), Cache: cli.HostCache(), Features: []string{}}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if name := procField(string(text), "model name"); name != "" {
			c.Model = name
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		c.Memory = kib(procField(string(text), "MemTotal"))
		c.Available = kib(procField(string(text), "MemAvailable"))
	}
	x := cpu.X86
	for _, f := range []struct {
		name string
		has  bool
	}{{"avx", x.HasAVX}, {"avx2", x.HasAVX2}, {"fma", x.HasFMA}, {"avx512f", x.HasAVX512F}, {"neon", cpu.ARM64.HasASIMD}} {
		if f.has {
			c.Features = append(c.Features, f.name)
		}
	}
	return c
}

// procField is the first value of a name in the format of /proc: "name : value".
func procField(text, name string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// kib reads "123 kB"; 0 if it is something else.
func kib(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
