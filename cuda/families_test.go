package cuda

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/device/devicetest"
	"voxgrad/internal/rng"
)

// streaming are the methods that are bound by memory: those of networks but for convolutions and for what
// moves whole tensors.
var streaming = func() []string {
	var names []string
	conv, catconv, transfer := reflect.TypeFor[device.Conv](), reflect.TypeFor[device.CatConv](), reflect.TypeFor[device.Transfer]()
	for m := range reflect.TypeFor[device.NetworkOps]().Methods() {
		_, isConv := conv.MethodByName(m.Name)
		_, isCatConv := catconv.MethodByName(m.Name)
		if _, isTransfer := transfer.MethodByName(m.Name); !isConv && !isCatConv && !isTransfer {
			names = append(names, m.Name)
		}
	}
	return names
}()

// casesOf are the cases of methods, or those whose name begins so.
func casesOf(opt devicetest.Options, methods ...string) []devicetest.Case {
	wanted := map[string]bool{}
	for _, m := range methods {
		wanted[m] = true
	}
	var cs []devicetest.Case
	for _, c := range devicetest.Cases(opt) {
		if wanted[c.Methods[0]] || slices.ContainsFunc(methods, func(m string) bool { return strings.Contains(m, "/") && strings.HasPrefix(c.Name, m) }) {
			cs = append(cs, c)
		}
	}
	return cs
}

// The cases that fill many blocks, which the table for the emulator leaves out.
func TestLargeCases(t *testing.T) {
	small := map[string]bool{}
	for _, c := range casesOf(devicetest.Options{}, streaming...) {
		small[c.Name] = true
	}
	d, b := onEmulator(t, nil)
	n := 0
	for _, c := range casesOf(devicetest.Options{Large: true}, streaming...) {
		if small[c.Name] {
			continue
		}
		n++
		_, err := c.Check(b)
		require.NoError(t, err)
	}
	require.GreaterOrEqual(t, n, 5)
	require.Greater(t, d.Stats()["batchnorm_stats_v4"].Blocks, uint64(20))
	require.NoError(t, b.Close())
}

// The order of the blocks must not show in any bit.
func TestBlockOrder(t *testing.T) {
	_, a := onEmulator(t, []emu.Option{emu.Threads(1)})
	_, b := onEmulator(t, []emu.Option{emu.ShuffleBlocks(7), emu.Threads(3)})
	for _, c := range casesOf(devicetest.Options{Large: true}, streaming...) {
		require.NoError(t, c.SameBits(a, b))
	}
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

// Which elements are dropped, and what becomes of the others, is the same on the CPU.
func TestDropoutAsOnCPU(t *testing.T) {
	_, b := onEmulator(t, nil)
	host := cpu.New()
	cases := casesOf(devicetest.Options{}, "Dropout", "DropoutGrad")
	require.NotEmpty(t, cases)
	for _, c := range cases {
		require.NoError(t, c.SameBits(b, host))
	}
	require.NoError(t, host.Close())
	require.NoError(t, b.Close())
}

// Probabilities that equal one element's number exactly: that one is kept.
func TestDropoutLimit(t *testing.T) {
	const key = 0x0123456789abcdef
	_, b := onEmulator(t, nil, WithoutPool())
	for n := 5; n <= 8; n++ {
		for i := range n {
			for _, mode := range []device.Mode{device.Set, device.Add} {
				p := float64(rng.Word(key, uint64(i))) / (1 << 32)
				x, y := b.Alloc(device.Vec(n)), b.Alloc(device.Vec(n))
				b.Fill(x, 1)
				b.Fill(y, 0)
				b.DropoutGrad(device.Into{Tensor: y, Mode: mode}, x, p, key)
				got := make([]float32, n)
				b.Download(got, y)
				for j, v := range got {
					kept := rng.Word(key, uint64(j)) >= rng.Word(key, uint64(i))
					require.Equal(t, kept, v != 0, "%d elements, limit of %d, element %d, %v", n, i, j, mode)
				}
				b.Free(x)
				b.Free(y)
			}
		}
	}
	require.NoError(t, b.Close())
}
