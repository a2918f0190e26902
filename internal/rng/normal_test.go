package rng

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The quantile undoes the tail probability, from the middle to the last word of the tail.
func TestNormal32IsTheQuantile(t *testing.T) {
	words := []uint32{0, 1, 2, 3, 1<<31 - 1, 1<<31 - 2, 1 << 30, 1<<30 - 1}
	for i := range 200000 {
		words = append(words, Word(5, uint64(i)), Word(6, uint64(i))>>(i%31)) // the second reaches far into the tail
	}
	worst := 0.0
	for _, w := range words {
		z := Normal32(w)
		p := (float64(w&0x7fffffff) + 0.5) / (1 << 32)
		tail := math.Erfc(math.Abs(float64(z))/math.Sqrt2) / 2
		density := math.Exp(-float64(z)*float64(z)/2) / math.Sqrt(2*math.Pi)
		e := math.Abs(tail-p) / density
		worst = max(worst, e/max(1, math.Abs(float64(z))))
		if p < 0.4999 {
			require.Equal(t, w>>31 != 0, z < 0)
		}
	}
	require.Less(t, worst, 1e-7, "error of z, relative to max(1, |z|)")
	require.InDelta(t, 6.34, Normal32(0), 0.01)
}

func TestNormal32Moments(t *testing.T) {
	const n = 1 << 20
	var s1, s2, s3, s4 float64
	for i := range n {
		z := float64(Normal32(Word(77, uint64(i))))
		s1, s2, s3, s4 = s1+z, s2+z*z, s3+z*z*z, s4+z*z*z*z
	}
	sd := 1 / math.Sqrt(n)
	require.InDelta(t, 0, s1/n, 4*sd)
	require.InDelta(t, 1, s2/n, 4*math.Sqrt2*sd)
	require.InDelta(t, 0, s3/n, 4*math.Sqrt(15)*sd)
	require.InDelta(t, 3, s4/n, 4*math.Sqrt(96)*sd)
}

// The kernels' table holds the same numbers.
func TestNormalTableOfTheKernels(t *testing.T) {
	text, err := os.ReadFile("../../cuda/kernels/normal_table.cuh")
	require.NoError(t, err)
	got := regexp.MustCompile(`-?0x[0-9a-fp.+-]+`).FindAllString(string(text), -1)
	var want []string
	for _, row := range normalQuantile {
		for _, c := range row {
			want = append(want, fmt.Sprintf("%x", c))
		}
	}
	require.Equal(t, strings.Join(want, "\n"), strings.Join(got, "\n"))
}

func BenchmarkNormal32(b *testing.B) {
	var s float32
	for i := range b.N {
		s += Normal32(uint32(i) * 2654435761)
	}
	sink = s
}

var sink float32
