package cli

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// unknownCache is what hostCache takes where the machine does not tell.
const unknownCache = 64 << 20

// HostCache is the size of the largest cache of the first core, by Linux.
func HostCache() int64 {
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
