//go:build !amd64 || purego

package bench

const haveFMA, fmaFlops = false, plainFlops

func fmaLoop(turns int) { plainLoop(turns) }
