package cuda

import (
	"regexp"
	"slices"
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
	cat, catGrad, stats := []string{"CatConv"}, []string{"CatConvGrad"}, []string{"CatConvStats"}
	barrier := regexp.MustCompile(`bar\.sync\s+0;`)
	border := regexp.MustCompile(`setp\.(lt|ge)\.u32`)
	add64, div64, sub32 := regexp.MustCompile(`add\.f64`), regexp.MustCompile(`div\.rn\.f64`), regexp.MustCompile(`sub\.f32`)
	faults := []planted{
		{"conv", "conv_slim", conv, "barrier left out", barrier, "", 4, 0},
		{"conv", "conv_slim", conv, "border one voxel wider", border, "setp.gt.u32", 4, 0},
		{"conv_flat", "conv_flat_slim", conv, "barrier left out", barrier, "", 4, 0},
		{"conv_flat", "conv_flat_slim", conv, "border one voxel wider", border, "setp.gt.u32", 4, 0},
		{"conv_grad", "grad_slim", grad, "barrier left out", barrier, "", 4, 0},
		{"conv_grad", "grad_flat_slim", grad, "border one voxel wider", border, "setp.gt.u32", 4, 0},
		{"conv_grad", "column_sums", grad, "barrier left out", barrier, "", 1, 0},
		{"conv_grad", "grad_finish", grad, "sum begun wrong", regexp.MustCompile(`add(\.rn|\.ftz)?\.f32`), "sub.f32", 9, 0},
		{"conv_parts", "conv_parts", conv, "a part taken away", regexp.MustCompile(`add\.f32`), "sub.f32", 6, 0},
		{"conv_pack", "pack_weights", conv, "a comparison the other way", regexp.MustCompile(`setp\.(lt|ge)\.s32`), "setp.gt.s32", 2, 1}, // rows beyond the channels are in TestConvTiles alone
		{"catconv", "catconv_taps", cat, "a product turned round", regexp.MustCompile(`fma\.rn\.f64`), "mul.rn.f64", 1, 1},
		{"catconv", "catconv_table", cat, "the wrong neighbours", regexp.MustCompile(`shr\.u32`), "shl.b32", 2, 0},
		{"catconv", "catconv_affine", catGrad, "a quotient turned round", div64, "mul.rn.f64", 2, 0},
		{"catconv", "catconv_grad_w", catGrad, "a sum turned round", add64, "sub.f64", 2, 0},
		{"tapsums", "border_sums", catGrad, "barrier left out", barrier, "", 1, 0},
		{"tapsums", "border_sums", catGrad, "another extent", regexp.MustCompile(`div\.u32`), "rem.u32", 3, 0},
		{"tapsums", "tap_sums", catGrad, "a sum turned round", add64, "sub.f64", 3, 0},
		{"composite", "composite_weights", cat, "an edge not minded", regexp.MustCompile(`setp\.(lt|gt)\.u32`), "setp.le.u32", 3, 0},
		{"composite", "composite_taps", catGrad, "another position", regexp.MustCompile(`sub\.s32`), "add.s32", 3, 0},
		{"composite", "up_turned", catGrad, "another channel", regexp.MustCompile(`rem\.s32`), "div.s32", 2, 0},
		{"composite", "up_row", catGrad, "barrier left out", barrier, "", 2, 1}, // block_sum's first
		{"composite", "up_grad_w", catGrad, "a sum turned round", add64, "sub.f64", 2, 0},
		{"composite", "up_grad_b", catGrad, "a sum turned round", add64, "sub.f64", 3, 1},
		{"trilinear", "tri_combine_v1", cat, "an edge not minded", regexp.MustCompile(`max\.s32`), "min.s32", 3, 0},
		{"trilinear", "tri_combine_v4", cat, "half a voxel away", regexp.MustCompile(`0fBF000000`), "0f3F000000", 3, 0},
		{"trilinear", "tri_gather_v1", catGrad, "an edge not minded", regexp.MustCompile(`max\.s32`), "min.s32", 3, 0},
		{"trilinear", "tri_gather_v4", catGrad, "half a voxel away", regexp.MustCompile(`0fBF000000`), "0f3F000000", 3, 0},
		{"trilinear", "tri_square_v1", stats, "an edge not minded", regexp.MustCompile(`max\.s32`), "min.s32", 3, 0},
		{"batchnorm", "batchnorm_squares_finish", stats, "a quotient turned round", div64, "mul.rn.f64", 2, 0},
		{"conv_flat", "conv_flat_slim", stats, "a barrier left out of the moments", barrier, "", 6, 3}, // those of the product before it, which stay
		{"relu", "relu_grad", []string{"ReLUGrad"}, "ReLU turned round", regexp.MustCompile(`setp\.gt\.f32`), "setp.lt.f32", 3, 0},
		{"batchnorm", "batchnorm_stats_v4", []string{"BatchNormStats"}, "barrier left out", barrier, "", 1, 0},
		{"batchnorm", "batchnorm_stats_v1", []string{"BatchNormStats"}, "a sum turned round", add64, "sub.f64", 6, 0},
		{"batchnorm", "batchnorm_stats_finish", []string{"BatchNormStats"}, "a quotient turned round", div64, "mul.rn.f64", 3, 0},
		{"batchnorm", "batchnorm_apply_v1", []string{"BatchNormApply"}, "a difference turned round", sub32, "add.f32", 4, 0},
		{"batchnorm_grad", "batchnorm_grad_sums_v4", []string{"BatchNormGrad"}, "barrier left out", barrier, "", 1, 0},
		{"batchnorm_grad", "batchnorm_grad_finish", []string{"BatchNormGrad"}, "a quotient turned round", div64, "mul.rn.f64", 2, 0},
		{"batchnorm_grad", "batchnorm_grad_apply_v1", []string{"BatchNormGrad"}, "a difference turned round", sub32, "add.f32", 6, 0},
		{"pool", "maxpool_v1", []string{"MaxPool"}, "the smaller one", regexp.MustCompile(`setp\.gt\.f32`), "setp.lt.f32", 7, 0},
		{"pool", "maxpool_grad_v1", []string{"MaxPoolGrad"}, "another than the maximum", regexp.MustCompile(`setp\.eq\.f32`), "setp.ne.f32", 8, 0},
		{"pool", "maxpool_grad_v4", []string{"MaxPoolGrad"}, "border one voxel wider", border, "setp.gt.u32", 6, 0},
		{"up", "upsample_v1", []string{"Upsample"}, "a quarter for three", regexp.MustCompile(`0f3F400000`), "0f3E800000", 1, 0},
		{"up", "upsample_v4", []string{"Upsample"}, "border one voxel wider", border, "setp.gt.u32", 3, 0},
		{"up", "upsample_grad_v4", []string{"UpsampleGrad"}, "an edge not minded", regexp.MustCompile(`max\.s32`), "min.s32", 6, 0},
		{"channels", "concat_v1", []string{"Concat"}, "the other channels", regexp.MustCompile(`setp\.ge\.s32`), "setp.le.s32", 3, 0},
		{"channels", "split_v4", []string{"Split"}, "Add for Set", regexp.MustCompile(`setp\.eq\.s32`), "setp.ne.s32", 4, 0},
		{"random", "dropout", []string{"Dropout", "DropoutGrad"}, "a round mixed wrongly", regexp.MustCompile(`xor\.b32`), "or.b32", 10, 1},        // with a word that is 0
		{"random", "dropout", []string{"Dropout", "DropoutGrad"}, "limit turned round", regexp.MustCompile(`setp\.lt\.u32`), "setp.ge.u32", 10, 4}, // ends of 2 and 3: see TestDropoutLimit
		{"optimizer", "adam", []string{"Adam"}, "bisection off by one", regexp.MustCompile(`setp\.le\.s64`), "setp.lt.s64", 1, 0},
		{"loss", "softmax", []string{"Softmax"}, "maximum not subtracted", sub32, "add.f32", 4, 0},
		{"loss", "dice_sums", []string{"DiceLoss"}, "barrier left out", barrier, "", 3, 0},
		{"loss", "dice_finish", []string{"DiceLoss"}, "a quotient turned round", div64, "mul.rn.f64", 2, 0},
		{"loss", "mse_sums", []string{"MSE"}, "a difference turned round", sub32, "add.f32", 5, 0},
		{"loss_grad", "dice_grad", []string{"DiceLossGrad"}, "a difference turned round", sub32, "add.f32", 6, 0},
		{"loss_grad", "dice_factors", []string{"DiceLossGrad"}, "a sum turned round", add64, "sub.f64", 3, 0},
		{"loss_grad", "mse_grad", []string{"MSEGrad"}, "a difference turned round", sub32, "add.f32", 5, 0},
		{"spatial", "along_axis", []string{"AlongAxis"}, "barrier left out", barrier, "", 2, 0},
		{"spatial", "along_axis", []string{"AlongAxis"}, "a stage skipped that is not zero", regexp.MustCompile(`bar\.red\.or\.pred`), "bar.red.and.pred", 1, 0},
		{"spatial", "along_lines", []string{"AlongAxis"}, "barrier left out", barrier, "", 2, 0},
		{"spatial", "orient", []string{"Orient"}, "another axis's extent", regexp.MustCompile(`div\.u32`), "rem.u32", 3, 0},
		{"spatial", "resample", []string{"Resample"}, "an edge not minded", regexp.MustCompile(`min\.s32`), "max.s32", 3, 0},
		{"spatial", "resample", []string{"Resample"}, "the other side's weight", regexp.MustCompile(`sub\.f64`), "add.f64", 3, 0},
		{"memory", "blend", []string{"Blend"}, "a product turned round", regexp.MustCompile(`mul\.f32`), "add.f32", 4, 0},
		{"intensity", "noise", []string{"Noise"}, "a round mixed wrongly", regexp.MustCompile(`xor\.b32`), "or.b32", 4, 1}, // with a word that is 0
		{"intensity", "min_part", []string{"Min"}, "the larger one", regexp.MustCompile(`setp\.lt\.f32`), "setp.gt.f32", 4, 0},
		{"intensity", "min_finish", []string{"Min"}, "barrier left out", barrier, "", 1, 0},
		{"intensity", "bias_field", []string{"BiasField"}, "the centre on the other side", regexp.MustCompile(`sub\.f64`), "add.f64", 3, 0},
		{"kspace", "kspace_peak_part", []string{"KSpacePeak"}, "the smaller one", regexp.MustCompile(`setp\.gt\.f32`), "setp.lt.f32", 4, 0},
		{"kspace", "kspace_peak_part", []string{"KSpacePeak"}, "barrier left out", barrier, "", 1, 0},
		{"kspace", "spike_in_image", []string{"SpikeInImage"}, "an axis turned round", add64, "sub.f64", 3, 0},
		{"region", "region_sums", []string{"RegionStats"}, "barrier left out", barrier, "", 4, 1}, // block_sum's first
		{"region", "region_squares", []string{"RegionStats"}, "a difference turned round", regexp.MustCompile(`sub\.f64`), "add.f64", 4, 0},
		{"region", "region_deviation", []string{"RegionStats"}, "a quotient turned round", div64, "mul.rn.f64", 1, 0},
		{"region", "region_noise", []string{"RegionNoise"}, "the mask turned round", regexp.MustCompile(`setp\.leu\.f32`), "setp.gt.f32", 4, 0},
		{"region", "region_select", []string{"Select"}, "the mask turned round", regexp.MustCompile(`setp\.gt\.f32`), "setp.leu.f32", 4, 0},
		{"memory", "copy_words", []string{"PutSample", "TakeSample"}, "an end not minded", regexp.MustCompile(`setp\.ge\.s64`), "setp.gt.s64", 4, 2}, // no sample ends in the second or fourth quarter of a block
		{"memory", "nonfinite_count", []string{"NonFinite"}, "barrier left out", barrier, "", 2, 1},                                                  // block_sum's first: the block has no earlier sum
	}
	for _, name := range kernels.Names() {
		require.True(t, slices.ContainsFunc(faults, func(p planted) bool { return p.module == name }), "no fault is planted into %s", name)
	}
	for _, p := range faults {
		t.Run(p.module+"/"+p.kernel+"/"+p.what, func(t *testing.T) {
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
				t.Logf("%s, line %d of the PTX, %s: %v", p.kernel, line, p.what, err)
			}
			require.GreaterOrEqual(t, caught, tried-p.survive, "%s: %s", p.kernel, p.what)
		})
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
	delete(b.modules, p.module) // New has loaded one
	defer b.Close()
	for _, c := range casesOf(devicetest.Options{}, p.methods...) {
		if _, err := c.Check(b); err != nil {
			return err
		}
	}
	return nil
}
