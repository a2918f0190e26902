package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/cpu"

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
	c := hostCPU{Model: runtime.GOARCH, Cores: runtime.NumCPU(), Threads: par.Threads(), Cache: hostCache(), Features: []string{}}
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

// unknownCache is what hostCache takes where the machine does not tell.
const unknownCache = 64 << 20

// hostCache is the size of the largest cache of the first core, by Linux.
func hostCache() int64 {
	files, _ := filepath.Glob("/sys/devices/system/cpu/cpu0/cache/index*/size")
	most := int64(0)
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil {
			s := strings.TrimSpace(string(text))
			n, err := strconv.ParseInt(strings.TrimRight(s, "KM"), 10, 64)
			if err != nil {
				continue
			}
			switch {
			case strings.HasSuffix(s, "K"):
				n <<= 10
			case strings.HasSuffix(s, "M"):
				n <<= 20
			}
			most = max(most, n)
		}
	}
	if most == 0 {
		return unknownCache
	}
	return most
}
