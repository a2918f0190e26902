// Package par runs loops on all cores with a partition that does not depend on
// how many there are, so that results have the same bits everywhere.
package par

import (
	"runtime"
	"sync"
	"sync/atomic"
)

var threads atomic.Int32

func init() { threads.Store(int32(runtime.GOMAXPROCS(0))) }

// Threads is the number of goroutines For uses.
func Threads() int { return int(threads.Load()) }

// SetThreads changes it; n < 1 means all cores.
func SetThreads(n int) {
	if n < 1 {
		n = runtime.GOMAXPROCS(0)
	}
	threads.Store(int32(n))
}

// For calls f once for every i in [0, n). Calls run side by side in any order:
// what f(i) writes must not depend on another call. A panic in f reaches the
// caller.
func For(n int, f func(i int)) {
	ForWorker(n, func(_, i int) { f(i) })
}

// ForWorker is For with the number of the goroutine, below Threads(), for
// scratch memory. Results must not depend on it.
func ForWorker(n int, f func(worker, i int)) {
	t := min(Threads(), n)
	if t <= 1 {
		for i := range n {
			f(0, i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	var once sync.Once
	var failure any
	run := func(worker int) {
		defer func() {
			if r := recover(); r != nil {
				once.Do(func() { failure = r })
				next.Store(int64(n)) // stop the others early
			}
		}()
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			f(worker, i)
		}
	}
	wg.Add(t - 1)
	for worker := 1; worker < t; worker++ {
		go func() {
			defer wg.Done()
			run(worker)
		}()
	}
	run(0)
	wg.Wait()
	if failure != nil {
		panic(failure)
	}
}

// Chunks cuts [0, n) into pieces of the given size and calls f for each, side
// by side. The pieces depend only on n and size.
func Chunks(n, size int, f func(lo, hi int)) {
	For((n+size-1)/size, func(i int) { f(i*size, min((i+1)*size, n)) })
}
