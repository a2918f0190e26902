//go:build amd64 && !purego

package bench

import "golang.org/x/sys/cpu"

var (
	haveFMA    = cpu.X86.HasAVX2 && cpu.X86.HasFMA
	haveFMA512 = haveFMA && cpu.X86.HasAVX512F
)

// fmaFlops is the operations of one turn of fmaLoop: twelve registers of eight
// numbers, a multiplication and an addition each. Those of fmaLoop512 have sixteen.
const fmaFlops = 12 * 8 * 2

// fmaLoop does nothing else. Twelve chains hide a latency of five cycles at two a
// cycle.
//
//go:noescape
func fmaLoop(turns int)

//go:noescape
func fmaLoop512(turns int)
