package devicetest

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/ref"
)

func TestSameBits(t *testing.T) {
	ulp := newSpy[float32](nil)
	ulp.fault = func(c *call) {
		c.run()
		if c.method == "ConvGradW" {
			for _, w := range c.written() {
				x := ulp.Data(w)
				x[len(x)-1] = math.Nextafter32(x[len(x)-1], 1e9)
			}
		}
	}
	b := ref.New[float32]()
	for _, c := range Cases(Options{}) {
		require.NoError(t, c.SameBits(b, ref.New[float32]()))
		if c.Methods[0] == "ConvGradW" {
			require.ErrorContains(t, c.SameBits(b, ulp), "differ")
			_, err := c.Check(ulp)
			require.NoError(t, err, "one unit in the last place is within the bound")
		}
	}
}
