package par

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestForVisitsEachOnce(t *testing.T) {
	defer SetThreads(0)
	for _, threads := range []int{1, 2, 5} {
		SetThreads(threads)
		for _, n := range []int{0, 1, 2, 17, 1000} {
			seen := make([]atomic.Int32, n)
			For(n, func(i int) { seen[i].Add(1) })
			for i := range seen {
				require.EqualValues(t, 1, seen[i].Load())
			}
		}
	}
}

func TestWorkersStayBelowThreads(t *testing.T) {
	defer SetThreads(0)
	SetThreads(3)
	ForWorker(100, func(w, _ int) {
		if w < 0 || w >= 3 {
			panic("worker out of range")
		}
	})
}

func TestChunksCover(t *testing.T) {
	var sum atomic.Int64
	Chunks(103, 10, func(lo, hi int) { sum.Add(int64(hi - lo)) })
	require.EqualValues(t, 103, sum.Load())
}

func TestPanicReachesTheCaller(t *testing.T) {
	defer SetThreads(0)
	SetThreads(2)
	require.PanicsWithValue(t, "boom", func() {
		For(100, func(i int) {
			if i == 57 {
				panic("boom")
			}
		})
	})
}
