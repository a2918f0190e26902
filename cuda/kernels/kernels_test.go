package kernels

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSource(t *testing.T) {
	for _, name := range Names() {
		for _, compute := range []int{61, 75, 90, 120} {
			text, variant, err := Source(name, compute)
			require.NoError(t, err)
			require.Equal(t, "sm_61", variant)
			require.Contains(t, text, ".target sm_61")
			require.NotContains(t, text, "/tmp/", "a path in the PTX")
		}
	}
	require.Contains(t, Names(), "conv")
	_, _, err := Source("absent", 90)
	require.EqualError(t, err, `kernels: there is no module "absent"`)
	_, _, err = Source("conv", 60)
	require.EqualError(t, err, "kernels: the card has compute capability 6.0, the kernels need 6.1 or newer")
}

// The newest variant the card can run is chosen; an "a" variant only for its own card.
func TestVariantOrder(t *testing.T) {
	var vs []variant
	for _, file := range []string{"x.sm_61.ptx", "x.sm_90.ptx", "x.sm_80.ptx", "x.sm_90a.ptx"} {
		module, name, compute, exact, err := parseName(file)
		require.NoError(t, err)
		require.Equal(t, "x", module)
		vs = append(vs, variant{name, compute, exact, file})
	}
	best := func(compute int) string {
		b := variant{}
		for _, v := range vs {
			if v.runsOn(compute) && (b.name == "" || b.less(v)) {
				b = v
			}
		}
		return b.name
	}
	require.Equal(t, []string{"", "sm_61", "sm_61", "sm_80", "sm_80", "sm_90a", "sm_90"},
		[]string{best(52), best(61), best(75), best(80), best(89), best(90), best(100)})
	for _, bad := range []string{"x.ptx", "x.sm_.ptx", "x.sm_8x.ptx", "x.61.ptx"} {
		_, _, _, _, err := parseName(bad)
		require.ErrorContains(t, err, strings.TrimSpace(bad))
	}
}
