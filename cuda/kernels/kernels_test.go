package kernels

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestSource(t *testing.T) {
	tensorCores := []string{"bf16", "conv_few_mma", "conv_few_mma_grad", "conv_mma", "conv_mma_grad", "conv_mma_operands", "products_tf32"}
	for compute, variants := range map[int][]string{61: {"sm_61"}, 75: {"sm_61"}, 80: {"sm_61", "sm_80"}, 90: {"sm_61", "sm_80"}, 120: {"sm_61", "sm_80"}} {
		names, err := For(compute)
		require.NoError(t, err)
		for _, name := range names {
			text, variant, err := Source(name, compute)
			require.NoError(t, err)
			want := variants[0]
			if slices.Contains(tensorCores, name) {
				want = variants[1]
			}
			require.Equal(t, want, variant)
			require.Contains(t, text, ".target "+want)
			require.NotContains(t, text, "/tmp/", "a path in the PTX")
		}
		if without := len(variants) == 1; without {
			require.Len(t, names, len(Names())-len(tensorCores), "all but those for tensor cores")
		} else {
			require.Equal(t, Names(), names)
		}
	}
	_, err := For(60)
	require.EqualError(t, err, "kernels: the card has compute capability 6.0, the kernels need 6.1 or newer")
	require.Contains(t, Names(), "conv")
	_, _, err = Source("conv_mma", 75)
	require.EqualError(t, err, "kernels: the card has compute capability 7.5, the kernels need 8.0 or newer")
	_, _, err = Source("absent", 90)
	require.EqualError(t, err, `kernels: there is no module "absent": no file absent.sm_NN.ptx`)
	_, _, err = Source("conv", 60)
	require.EqualError(t, err, "kernels: the card has compute capability 6.0, the kernels need 6.1 or newer")
}

// The newest variant the card can run is chosen; an "a" variant only for its own card.
func TestVariantOrder(t *testing.T) {
	files := fstest.MapFS{}
	for _, v := range []string{"sm_61", "sm_90", "sm_80", "sm_90a"} {
		files["in/x."+v+".ptx"] = &fstest.MapFile{Data: []byte("// " + v)}
	}
	files["in/xy.sm_100.ptx"] = &fstest.MapFile{}
	for compute, want := range map[int]string{61: "sm_61", 75: "sm_61", 80: "sm_80", 89: "sm_80", 90: "sm_90a", 100: "sm_90"} {
		text, variant, err := Select(files, "in/x", compute)
		require.NoError(t, err)
		require.Equal(t, want, variant)
		require.Equal(t, "// "+want, text)
	}
	_, _, err := Select(files, "in/x", 52)
	require.EqualError(t, err, "kernels: the card has compute capability 5.2, the kernels need 6.1 or newer")
	_, _, err = Select(files, "out/x", 61)
	require.ErrorContains(t, err, "out")
	for _, bad := range []string{"x..ptx", "x.sm_.ptx", "x.sm_8x.ptx", "x.61.ptx", "x.sm_-1.ptx"} {
		_, _, err := Select(fstest.MapFS{bad: {}}, "x", 90)
		require.EqualError(t, err, "kernels: "+bad+" is not named NAME.sm_NN.ptx")
	}
	_, _, err = Select(fstest.MapFS{"x.ptx": {}}, "x", 90)
	require.ErrorContains(t, err, "no file x.sm_NN.ptx")
}
