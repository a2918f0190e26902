package cuda

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/emu"
	"voxgrad/cuda/kernels"
	"voxgrad/device/devicetest"
)

// planted is a change of every matching instruction of a kernel, one at a time.
type planted struct {
	module, kernel string
	methods        []string
	what           string
	find           *regexp.Regexp
	replace        string
	most           int // how many of the places are tried, evenly spread
	survive        int // how many changes do no harm
}

// Faults put into a kernel's PTX must turn the table red: the emulator or the
// comparison with the oracle sees them.
func TestPlantedFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	conv, grad := []string{"Conv", "ConvGradX", "ConvT"}, []string{"ConvGradW", "ConvTGradW"}
	barrier := regexp.MustCompile(`bar\.sync\s+0;`)
	border := regexp.MustCompile(`setp\.(lt|ge)\.u32`)
	for _, p := range []planted{
		{"conv", "conv_slim", conv, "barrier left out", barrier, "", 4, 0},
		{"conv", "conv_slim", conv, "border one voxel wider", border, "setp.gt.u32", 4, 0},
		{"conv_flat", "conv_flat_slim", conv, "barrier left out", barrier, "", 4, 0},
		{"conv_flat", "conv_flat_slim", conv, "border one voxel wider", border, "setp.gt.u32", 4, 0},
		{"conv_grad", "grad_slim", grad, "barrier left out", barrier, "", 4, 0},
		{"conv_grad", "grad_flat_slim", grad, "border one voxel wider", border, "setp.gt.u32", 4, 0},
		{"conv_grad", "column_sums", grad, "barrier left out", barrier, "", 1, 0},
		{"conv_grad", "grad_finish", grad, "sum begun wrong", regexp.MustCompile(`add(\.rn|\.ftz)?\.f32`), "sub.f32", 9, 0},
		{"conv_pack", "pack_weights", conv, "a comparison the other way", regexp.MustCompile(`setp\.(lt|ge)\.s32`), "setp.gt.s32", 2, 1}, // rows beyond the channels are in TestConvTiles alone
		{"relu", "relu_grad", []string{"ReLUGrad"}, "ReLU turned round", regexp.MustCompile(`setp\.gt\.f32`), "setp.lt.f32", 3, 0},
		{"memory", "nonfinite_count", []string{"NonFinite"}, "barrier left out", barrier, "", 2, 1}, // block_sum's first: the block has no earlier sum
	} {
		text, _, err := kernels.Source(p.module, 61)
		require.NoError(t, err)
		begin := strings.Index(text, ".entry "+p.kernel+"(")
		require.Positive(t, begin, p.kernel)
		end := begin + strings.Index(text[begin:], "\n}\n")
		places := p.find.FindAllStringIndex(text[begin:end], -1)
		require.NotEmpty(t, places, "%s: nothing to change for %q", p.kernel, p.what)
		caught, tried := 0, min(p.most, len(places))
		for i := range tried {
			at := places[i*len(places)/tried]
			broken := text[:begin+at[0]] + p.replace + text[begin+at[1]:]
			err := firstFailure(t, p, broken)
			line := 1 + strings.Count(text[:begin+at[0]], "\n")
			if err == nil {
				t.Logf("%s, line %d of the PTX, %s: not noticed", p.kernel, line, p.what)
				continue
			}
			caught++
			t.Logf("%s, line %d of the PTX, %s: %.150s", p.kernel, line, p.what, err)
		}
		require.GreaterOrEqual(t, caught, tried-p.survive, "%s: %s", p.kernel, p.what)
	}
}

// firstFailure runs the table with a changed module until a case fails.
func firstFailure(t *testing.T, p planted, text string) error {
	_, b := onEmulator(t, []emu.Option{emu.Budget(1 << 22)}, WithoutPool())
	sound := b.source
	b.source = func(name string, compute int) (string, string, error) {
		if name == p.module {
			return text, "planted", nil
		}
		return sound(name, compute)
	}
	defer b.Close()
	for _, c := range casesOf(devicetest.Options{}, p.methods...) {
		if _, err := c.Check(b); err != nil {
			return err
		}
	}
	return nil
}
