package pipeline

import (
	"os"
	"syscall"
)

// changeTime is when the system last noted a change of a file, in ns: unlike the
// time of modification nothing can set it back.
func changeTime(info os.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int64(st.Ctim.Sec)*1e9 + int64(st.Ctim.Nsec) //nolint:unconvert // 32 bits on some machines
	}
	return 0
}
