//go:build !linux

package pipeline

import "os"

func changeTime(os.FileInfo) int64 { return 0 }
