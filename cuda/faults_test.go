package cuda

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/emu"
	"voxgrad/cuda/kernels"
	"voxgrad/device"
	"voxgrad/device/devicetest"
)

// planted is a change of every matching instruction of a kernel, one at a time.
type planted struct {
	module, kernel string
	methods        []string // or the beginnings of cases' names, where others need not be asked
	what           string
	find           *regexp.Regexp
	replace        string
	most           int // how many of the places are tried, evenly spread
	survive        int // how many changes do no harm
	from, to       int // the places that are meant, in the order of the text; 0, 0: all
}

// Faults put into a kernel's PTX must turn the table red: the emulator or the
// comparison with the oracle sees them.
func TestPlantedFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	conv, grad := []string{"Conv", "ConvGradX", "ConvT"}, []string{"ConvGradW", "ConvTGradW"}
	small := func(name string) []string {
		return []string{"CatConvStats/" + name, "CatConv/" + name, "CatConvGrad/" + name}
	}
	tri, tri4, tr := small("1x2x4x6/17tri+3→17"), small("1x4x10x6/8tri+24→24"), small("1x12x10x14/2conv+3→8")
	half := regexp.MustCompile(`0fBF000000`)
	barrier := regexp.MustCompile(`bar\.sync\s+0;`)
	border := regexp.MustCompile(`setp\.(lt|ge)\.u32`)
	add64, div64, sub32 := regexp.MustCompile(`add\.f64`), regexp.MustCompile(`div\.rn\.f64`), regexp.MustCompile(`sub\.f32`)
	faults := []planted{
		{"conv", "conv_slim", conv, "barrier left out", barrier, "", 2, 0, 0, 2},
		{"conv", "conv_slim", conv, "border one voxel wider", border, "setp.gt.u32", 4, 0, 0, 0},
		{"conv_flat", "conv_flat_slim", conv, "barrier left out", barrier, "", 3, 0, 0, 3},
		{"conv_flat", "conv_flat_slim", conv, "border one voxel wider", border, "setp.gt.u32", 4, 0, 0, 0},
		{"conv_grad", "grad_slim", grad, "barrier left out", barrier, "", 4, 0, 0, 0},
		{"conv_grad", "grad_flat_slim", grad, "border one voxel wider", border, "setp.gt.u32", 4, 0, 0, 0},
		{"column_sums", "column_sums", grad, "barrier left out", barrier, "", 1, 0, 0, 0},
		{"conv_grad", "grad_finish", grad, "sum begun wrong", regexp.MustCompile(`add(\.rn|\.ftz)?\.f32`), "sub.f32", 9, 0, 0, 0},
		{"conv", "conv_slim", []string{"ConvGradX"}, "the mask turned round", regexp.MustCompile(`setp\.leu\.f32`), "setp.gt.f32", 4, 0, 0, 0},
		{"conv_few", "wide_to_few_2", []string{"Conv/2x5x5x9/c24→2"}, "barrier left out", barrier, "", 2, 0, 0, 0},
		{"conv_few", "wide_to_few_1", []string{"Conv/1x5x9x10/c13→1"}, "border one voxel wider", border, "setp.gt.u32", 2, 0, 0, 2},
		{"conv_few", "wide_to_few_2", []string{"ConvGradX/1x9x10x9/c2→24"}, "the mask turned round", regexp.MustCompile(`setp\.gt\.f32`), "setp.leu.f32", 2, 0, 0, 2},
		{"conv_few", "few_to_wide_4", []string{"Conv/1x2x3x9/c6→9"}, "barrier left out", barrier, "", 2, 0, 0, 0},
		{"conv_few", "few_to_wide_2", []string{"Conv/1x9x10x9/c2→24"}, "border one voxel wider", border, "setp.gt.u32", 3, 0, 0, 0},
		{"conv_few", "few_to_wide_2", []string{"ConvGradX/2x5x5x9/c24→2"}, "the mask turned round", regexp.MustCompile(`setp\.gt\.f32`), "setp.leu.f32", 3, 0, 0, 4}, // of the first plane, whole pieces,
		{"conv_few_grad", "few_grad_2", []string{"ConvGradW/1x9x10x9/c2→24"}, "barrier left out", barrier, "", 4, 0, 0, 4},
		{"conv_few_grad", "few_grad_2", []string{"ConvGradW/2x5x5x9/c24→2"}, "border one voxel wider", border, "setp.gt.u32", 3, 0, 0, 0},
		{"conv_parts", "conv_parts", conv, "the mask turned round", regexp.MustCompile(`setp\.gt\.f32`), "setp.leu.f32", 1, 0, 0, 0},
		{"conv_parts", "conv_parts", conv, "a part taken away", regexp.MustCompile(`add\.f32`), "sub.f32", 6, 0, 0, 0},
		{"conv_pack", "pack_weights", conv, "a comparison the other way", regexp.MustCompile(`setp\.(lt|ge)\.s32`), "setp.gt.s32", 2, 1, 0, 0}, // rows beyond the channels are in TestConvTiles alone
		{"catconv", "catconv_taps", tri, "barrier left out", barrier, "", 1, 0, 0, 0},
		{"catconv", "catconv_table", tri, "the wrong neighbours", regexp.MustCompile(`shr\.u32`), "shl.b32", 2, 0, 0, 0},
		{"catconv", "catconv_grads", tri, "a quotient turned round", div64, "mul.rn.f64", 2, 0, 0, 0},
		{"catconv", "catconv_grads", tri, "a difference turned round", regexp.MustCompile(`sub\.f64`), "add.f64", 2, 0, 0, 0},
		{"catconv", "catconv_grads", small("1x6x6x10/8conv+9→10"), "a part taken away", regexp.MustCompile(`add\.f32`), "sub.f32", 3, 0, 8, 11}, // of three, not eight at once
		{"tapsums", "border_sums", tri, "barrier left out", barrier, "", 1, 0, 0, 0},
		{"tapsums", "border_sums", tri, "another extent", regexp.MustCompile(`div\.u32`), "rem.u32", 1, 0, 0, 0},
		{"tapsums", "tap_sums", tri, "a border's sign turned round", regexp.MustCompile(`sub\.f64`), "add.f64", 4, 0, 0, 0},
		{"products", "products_nn", tr, "barrier left out", barrier, "", 2, 0, 0, 2},
		{"products", "products_nn", tr, "another position", regexp.MustCompile(`shr\.u32`), "shl.b32", 1, 0, 0, 1},
		{"products", "products_tn", tr, "an edge not minded", regexp.MustCompile(`setp\.lt\.s32`), "setp.gt.s32", 3, 1, 0, 3}, // one is of rows of fours
		{"products", "products_nt", tr, "an edge not minded", regexp.MustCompile(`setp\.lt\.s32`), "setp.gt.s32", 3, 1, 0, 3},
		{"composite", "up_row", tr, "barrier left out", barrier, "", 2, 1, 0, 0},           // block_sum's first
		{"composite", "up_grad_w", tr, "a sum turned round", add64, "sub.f64", 3, 0, 4, 7}, // of a part by itself and what the statistics pass on
		{"composite", "up_grad_b", tr, "barrier left out", barrier, "", 2, 1, 0, 0},        // block_sum's first
		{"trilinear", "tri_combine_v1", []string{"CatConv/2x4x6x8/3tri+2→3"}, "an edge not minded", regexp.MustCompile(`max\.s32`), "min.s32", 3, 0, 0, 0},
		{"trilinear", "tri_combine_v4", tri4, "half a voxel away", half, "0f3F000000", 3, 0, 0, 0},
		{"trilinear", "tri_gather_v1", tri, "an edge not minded", regexp.MustCompile(`max\.s32`), "min.s32", 3, 0, 0, 0},
		{"trilinear", "tri_gather_v4", tri4, "half a voxel away", half, "0f3F000000", 3, 0, 0, 0},
		{"trilinear", "tri_combine_v4", []string{"CatConv/1x4x10x6/8tri+24→24"}, "another place of the ring", regexp.MustCompile(`rem\.u32`), "div.u32", 1, 0, 0, 0},
		{"trilinear", "tri_square_v1", tri, "an edge not minded", regexp.MustCompile(`max\.s32`), "min.s32", 3, 0, 0, 0},
		{"batchnorm", "batchnorm_squares_finish", tri, "a quotient turned round", div64, "mul.rn.f64", 2, 0, 0, 0},
		{"conv_flat", "conv_flat_thin", tr, "barrier of the moments left out", barrier, "", 8, 4, 3, 11}, // three follow the last sums, one is before a thread overwrites what it alone has read
		{"relu", "relu_grad", []string{"ReLUGrad"}, "ReLU turned round", regexp.MustCompile(`setp\.gt\.f32`), "setp.lt.f32", 3, 0, 0, 0},
		{"batchnorm", "batchnorm_stats_v4", []string{"BatchNormStats"}, "barrier left out", barrier, "", 1, 0, 0, 0},
		{"batchnorm", "batchnorm_stats_v1", []string{"BatchNormStats"}, "a sum turned round", add64, "sub.f64", 6, 0, 0, 0},
		{"batchnorm", "batchnorm_stats_finish", []string{"BatchNormStats"}, "a quotient turned round", div64, "mul.rn.f64", 3, 0, 0, 0},
		{"batchnorm", "batchnorm_apply_v1", []string{"BatchNormApply"}, "a difference turned round", sub32, "add.f32", 4, 0, 0, 0},
		{"batchnorm_grad", "batchnorm_grad_sums_v4", []string{"BatchNormGrad"}, "barrier left out", barrier, "", 1, 0, 0, 0},
		{"batchnorm_grad", "batchnorm_grad_finish", []string{"BatchNormGrad"}, "a quotient turned round", div64, "mul.rn.f64", 2, 0, 0, 0},
		{"batchnorm_grad", "batchnorm_grad_apply_v1", []string{"BatchNormGrad"}, "a difference turned round", sub32, "add.f32", 6, 0, 0, 0},
		{"pool", "maxpool_v1", []string{"MaxPool"}, "the smaller one", regexp.MustCompile(`setp\.gt\.f32`), "setp.lt.f32", 7, 0, 0, 0},
		{"pool", "maxpool_grad_v1", []string{"MaxPoolGrad"}, "another than the maximum", regexp.MustCompile(`setp\.eq\.f32`), "setp.ne.f32", 8, 0, 0, 0},
		{"pool", "maxpool_grad_v1", []string{"MaxPoolGrad"}, "the mask turned round", regexp.MustCompile(`setp\.gt\.f32`), "setp.leu.f32", 4, 0, 0, 0},
		{"pool", "maxpool_grad_v4", []string{"MaxPoolGrad"}, "border one voxel wider", border, "setp.gt.u32", 6, 0, 0, 0},
		{"up", "upsample_v1", []string{"Upsample"}, "a quarter for three", regexp.MustCompile(`0f3F400000`), "0f3E800000", 1, 0, 0, 0},
		{"up", "upsample_v4", []string{"Upsample"}, "border one voxel wider", border, "setp.gt.u32", 3, 0, 0, 0},
		{"up", "upsample_grad_v4", []string{"UpsampleGrad"}, "an edge not minded", regexp.MustCompile(`max\.s32`), "min.s32", 6, 0, 0, 0},
		{"channels", "concat_v1", []string{"Concat"}, "the other channels", regexp.MustCompile(`setp\.ge\.s32`), "setp.le.s32", 3, 0, 0, 0},
		{"channels", "split_v4", []string{"Split"}, "Add for Set", regexp.MustCompile(`setp\.eq\.s32`), "setp.ne.s32", 4, 0, 0, 0},
		{"random", "dropout", []string{"Dropout", "DropoutGrad"}, "a round mixed wrongly", regexp.MustCompile(`xor\.b32`), "or.b32", 10, 1, 0, 0},        // with a word that is 0
		{"random", "dropout", []string{"Dropout", "DropoutGrad"}, "limit turned round", regexp.MustCompile(`setp\.lt\.u32`), "setp.ge.u32", 10, 4, 0, 0}, // ends of 2 and 3: see TestDropoutLimit
		{"optimizer", "adam", []string{"Adam"}, "bisection off by one", regexp.MustCompile(`setp\.le\.s64`), "setp.lt.s64", 1, 0, 0, 0},
		{"optimizer", "adam", []string{"Adam"}, "guard turned round", regexp.MustCompile(`setp\.neu\.f32`), "setp.equ.f32", 1, 0, 0, 0},
		{"optimizer", "norm_squares", []string{"TotalNorm"}, "a sum turned round", add64, "sub.f64", 3, 0, 0, 0},
		{"optimizer", "norm_squares", []string{"TotalNorm"}, "a square left out", regexp.MustCompile(`mul\.f64`), "sub.f64", 1, 0, 0, 0},
		{"optimizer", "norm_squares", []string{"TotalNorm"}, "barrier left out", barrier, "", 2, 1, 0, 0}, // block_sum's first
		{"optimizer", "norm_total", []string{"TotalNorm"}, "a sum turned round", add64, "sub.f64", 3, 0, 0, 0},
		{"memory", "nonfinite_total", []string{"NonFinite"}, "the last place", regexp.MustCompile(`min\.s32`), "max.s32", 2, 0, 0, 0},
		{"loss", "softmax", []string{"Softmax"}, "maximum not subtracted", sub32, "add.f32", 4, 0, 0, 0},
		{"loss", "dice_sums", []string{"DiceLoss"}, "barrier left out", barrier, "", 3, 0, 0, 0},
		{"loss", "dice_finish", []string{"DiceLoss"}, "a quotient turned round", div64, "mul.rn.f64", 2, 0, 0, 0},
		{"loss", "mse_sums", []string{"MSE"}, "a difference turned round", sub32, "add.f32", 5, 0, 0, 0},
		{"loss_grad", "dice_grad", []string{"DiceLossGrad"}, "a difference turned round", sub32, "add.f32", 6, 0, 0, 0},
		{"loss_grad", "dice_factors", []string{"DiceLossGrad"}, "a sum turned round", add64, "sub.f64", 3, 0, 0, 0},
		{"loss_grad", "mse_grad", []string{"MSEGrad"}, "a difference turned round", sub32, "add.f32", 5, 0, 0, 0},
		{"spatial", "along_axis", []string{"AlongAxis"}, "barrier left out", barrier, "", 2, 0, 0, 0},
		{"spatial", "along_axis", []string{"AlongAxis"}, "a stage skipped that is not zero", regexp.MustCompile(`bar\.red\.or\.pred`), "bar.red.and.pred", 1, 0, 0, 0},
		{"spatial", "along_lines", []string{"AlongAxis"}, "barrier left out", barrier, "", 2, 0, 0, 0},
		{"spatial", "orient", []string{"Orient"}, "another axis's extent", regexp.MustCompile(`div\.u32`), "rem.u32", 3, 0, 0, 0},
		{"spatial", "resample", []string{"Resample"}, "an edge not minded", regexp.MustCompile(`min\.s32`), "max.s32", 3, 0, 0, 0},
		{"spatial", "resample", []string{"Resample"}, "the other side's weight", regexp.MustCompile(`sub\.f64`), "add.f64", 3, 0, 0, 0},
		{"memory", "blend", []string{"Blend"}, "a product turned round", regexp.MustCompile(`mul\.f32`), "add.f32", 4, 0, 0, 0},
		{"intensity", "noise", []string{"Noise"}, "a round mixed wrongly", regexp.MustCompile(`xor\.b32`), "or.b32", 4, 1, 0, 0}, // with a word that is 0
		{"intensity", "min_part", []string{"Min"}, "the larger one", regexp.MustCompile(`setp\.lt\.f32`), "setp.gt.f32", 4, 0, 0, 0},
		{"intensity", "min_finish", []string{"Min"}, "barrier left out", barrier, "", 1, 0, 0, 0},
		{"intensity", "bias_field", []string{"BiasField"}, "the centre on the other side", regexp.MustCompile(`sub\.f64`), "add.f64", 3, 0, 0, 0},
		{"kspace", "kspace_peak_part", []string{"KSpacePeak"}, "the smaller one", regexp.MustCompile(`setp\.gt\.f32`), "setp.lt.f32", 4, 0, 0, 0},
		{"kspace", "kspace_peak_part", []string{"KSpacePeak"}, "barrier left out", barrier, "", 1, 0, 0, 0},
		{"kspace", "spike_in_image", []string{"SpikeInImage"}, "an axis turned round", add64, "sub.f64", 3, 0, 0, 0},
		{"region", "region_sums", []string{"RegionStats"}, "barrier left out", barrier, "", 4, 1, 0, 0}, // block_sum's first
		{"region", "region_squares", []string{"RegionStats"}, "a difference turned round", regexp.MustCompile(`sub\.f64`), "add.f64", 4, 0, 0, 0},
		{"region", "region_deviation", []string{"RegionStats"}, "a quotient turned round", div64, "mul.rn.f64", 1, 0, 0, 0},
		{"region", "region_noise", []string{"RegionNoise"}, "the mask turned round", regexp.MustCompile(`setp\.leu\.f32`), "setp.gt.f32", 4, 0, 0, 0},
		{"region", "region_select", []string{"Select"}, "the mask turned round", regexp.MustCompile(`setp\.gt\.f32`), "setp.leu.f32", 4, 0, 0, 0},
		{"memory", "copy_words", []string{"PutSample", "TakeSample"}, "an end not minded", regexp.MustCompile(`setp\.ge\.s64`), "setp.gt.s64", 4, 2, 0, 0}, // no sample ends in the second or fourth quarter of a block
		{"memory", "nonfinite_count", []string{"NonFinite"}, "barrier left out", barrier, "", 2, 1, 0, 0},                                                  // block_sum's first: the block has no earlier sum
	}
	transposing := []string{"ConvT", "ConvTGradX"}
	window4 := []string{"ConvTGradW/2x3x2x5/c8→10/k4s2p1", "ConvGradW/2x5x6x9/c9→8/k4s2p1"}
	fused := append(small("1x6x6x10/8conv+9→10"), small("1x2x4x6/17conv+8→24")...) // channels stored one by one, and by fours
	faults = append(faults, []planted{
		{"conv_mma", "mma_bf16_24", conv, "barrier left out", barrier, "", 2, 0, 0, 0},
		{"conv_mma", "mma_bf16_24", conv, "copies not waited for", regexp.MustCompile(`cp\.async\.wait_all;`), "", 1, 0, 0, 0},
		{"conv_mma", "mma_bf16_24", conv, "border one voxel wider", border, "setp.gt.u32", 3, 0, 0, 0},
		{"conv_mma", "mma_bf16_24", conv, "a matrix transposed", regexp.MustCompile(`m8n8\.x4\.shared`), "m8n8.x4.trans.shared", 3, 0, 0, 0},
		{"conv_mma", "mma_bf16_24", transposing, "a window's end not minded", regexp.MustCompile(`min\.s32`), "max.s32", 2, 0, 1, 3},
		{"conv_mma", "mma_tf32_24", conv, "a matrix transposed", regexp.MustCompile(`m8n8\.x4\.shared`), "m8n8.x4.trans.shared", 3, 0, 0, 0},
		{"conv_mma_operands", "mma_finish", []string{"ConvTGradX", "Conv"}, "results from a sum begun wrong", regexp.MustCompile(`add(\.rn|\.ftz)?\.f32`), "sub.f32", 6, 0, 0, 0},
		{"conv_mma", "mma_bf16_24", []string{"CatConvStats"}, "barrier of the moments left out", barrier, "", 2, 0, 4, 6},
		{"conv_mma", "mma_bf16_24", fused, "the wrong neighbours", regexp.MustCompile(`, 1, 0, %p`), ", 0, 1, %p", 6, 2, 0, 0}, // where is added to what is there, no table is given
		{"conv_mma", "mma_bf16_24", fused, "the mask turned round", regexp.MustCompile(`setp\.gt\.f32`), "setp.leu.f32", 5, 0, 0, 0},
		{"conv_mma", "mma_bf16_24", fused, "ReLU turned round", regexp.MustCompile(`setp\.lt\.f32`), "setp.gt.f32", 5, 0, 0, 0},
		{"conv_mma", "mma_bf16_24", fused, "what is absent taken for what is there", regexp.MustCompile(`setp\.eq\.s64`), "setp.ne.s64", 9, 0, 0, 0},
		{"conv_mma_operands", "mma_weights_bf16", fused, "a factor of the norm added", regexp.MustCompile(`mul\.f32`), "add.f32", 2, 0, 0, 0},
		{"conv_mma_operands", "mma_weights_bf16", fused, "another part of the weights", regexp.MustCompile(`add\.s32`), "sub.s32", 3, 0, 0, 0},
		{"bf16", "tri_combine_v4_bf16", small("1x4x10x6/8tri+24→24"), "half a voxel away", half, "0f3F000000", 2, 0, 0, 0},
		{"bf16", "tri_gather_v1_bf16", small("1x2x4x6/17tri+3→17"), "an edge not minded", regexp.MustCompile(`max\.s32`), "min.s32", 2, 0, 0, 0},
		{"bf16", "border_sums_bf16", small("1x6x6x10/8conv+9→10"), "barrier left out", barrier, "", 1, 0, 0, 0},
		{"conv_mma_operands", "mma_round_bf16", conv, "rounded towards zero", regexp.MustCompile(`cvt\.rn\.bf16x2`), "cvt.rz.bf16x2", 4, 0, 0, 0},
		{"conv_mma_operands", "mma_weights_bf16", conv, "rounded towards zero", regexp.MustCompile(`cvt\.rn\.bf16x2`), "cvt.rz.bf16x2", 1, 0, 0, 0},
		{"conv_mma", "mma_bf16_24", conv, "results rounded towards zero", regexp.MustCompile(`cvt\.rn\.bf16x2`), "cvt.rz.bf16x2", 2, 0, 0, 0},
		{"bf16", "relu_grad_bf16", []string{"ReLUGrad"}, "results rounded towards zero", regexp.MustCompile(`cvt\.rn\.bf16x2`), "cvt.rz.bf16x2", 2, 0, 0, 0},
		{"bf16", "batchnorm_apply_v4_bf16", []string{"BatchNormApply"}, "the other half of a word", regexp.MustCompile(`and\.b32`), "or.b32", 2, 0, 0, 0},
		{"bf16", "batchnorm_stats_v4_bf16", []string{"BatchNormStats"}, "barrier left out", barrier, "", 1, 0, 0, 0},
		{"bf16", "wide_to_few_4_bf16", []string{"ConvGradX/1x2x3x9/c6→9"}, "the other half of a word", regexp.MustCompile(`-65536`), "65535", 3, 0, 2, 6}, // of planes that the case has
		{"products_tf32", "products_tf32_nn", small("1x18x10x14/16conv+16→32"), "barrier left out", barrier, "", 2, 0, 0, 0},
		{"products_tf32", "products_tf32_tn", small("1x18x10x14/16conv+16→32"), "copies not waited for", regexp.MustCompile(`cp\.async\.wait_group\s+2;`), "", 1, 0, 0, 0},
		{"products_tf32", "products_tf32_nt", small("1x18x10x14/16conv+16→32"), "a factor taken away", regexp.MustCompile(`mul\.f32`), "add.f32", 2, 0, 18, 20},
		{"conv_few_mma", "wide_to_few_mma", []string{"Conv/2x5x5x9/c24→2"}, "barrier left out", barrier, "", 3, 0, 0, 0},
		{"conv_few_mma", "wide_to_few_mma", []string{"Conv/2x5x5x9/c24→2"}, "border one voxel wider", border, "setp.gt.u32", 3, 0, 0, 0},
		{"conv_few_mma", "wide_to_few_mma", []string{"ConvGradX/1x9x10x9/c2→24"}, "the mask turned round", regexp.MustCompile(`setp\.gt\.f32`), "setp.leu.f32", 12, 8, 0, 0}, // a gradient has no bias
		{"conv_few_mma", "few_to_wide_mma", []string{"ConvGradX/2x5x5x9/c24→2"}, "barrier left out", barrier, "", 1, 0, 0, 0},
		{"conv_few_mma", "few_to_wide_mma", []string{"ConvGradX/2x5x5x9/c24→2"}, "border one voxel wider", border, "setp.gt.u32", 3, 0, 0, 0},
		{"conv_few_mma", "few_to_wide_mma", []string{"ConvGradX/2x5x5x9/c24→2"}, "the mask turned round", regexp.MustCompile(`setp\.gt\.f32`), "setp.leu.f32", 8, 0, 0, 0},
		{"conv_few_mma_grad", "few_grad_mma", []string{"ConvGradW/2x5x5x9/c24→2"}, "barrier left out", barrier, "", 5, 0, 0, 0},
		{"conv_few_mma_grad", "few_grad_mma", []string{"ConvGradW/2x5x5x9/c24→2"}, "the other half of a word", regexp.MustCompile(`21520`), "30258", 4, 0, 0, 0},
		{"bf16", "few_to_wide_2_bf16", []string{"Conv/1x9x10x9/c2→24"}, "results rounded towards zero", regexp.MustCompile(`cvt\.rn\.bf16x2`), "cvt.rz.bf16x2", 3, 0, 0, 4}, // of the first plane, whole pieces
		{"bf16", "few_grad_2_bf16", []string{"ConvGradW/1x9x10x9/c2→24"}, "barrier left out", barrier, "", 2, 0, 0, 0},
		{"bf16", "round_bf16", []string{"Softmax"}, "rounded towards zero", regexp.MustCompile(`cvt\.rn\.bf16x2`), "cvt.rz.bf16x2", 2, 1, 0, 0}, // no case ends in three elements
		{"conv_mma_grad", "mma_grad_bf16_48", grad, "barrier left out", barrier, "", 1, 0, 0, 0},
		{"conv_mma_grad", "mma_grad_bf16_24", grad, "copies not waited for", regexp.MustCompile(`cp\.async\.wait_all;`), "", 1, 0, 0, 0},
		{"conv_mma_grad", "mma_grad_bf16_24", grad, "border one voxel wider", border, "setp.gt.u32", 4, 0, 0, 0},
		{"conv_mma_grad", "mma_grad_bf16_48", grad, "a matrix not transposed", regexp.MustCompile(`m8n8\.x4\.trans`), "m8n8.x4", 6, 0, 0, 0},
		{"conv_mma_grad", "mma_grad_bf16_24", window4, "another parity", regexp.MustCompile(`rem\.s32`), "div.s32", 1, 0, 0, 1},
		{"conv_mma_grad", "mma_grad_bf16_24", window4, "another line of the window", regexp.MustCompile(`rem\.s32`), "div.s32", 1, 0, 1, 2},
		{"conv_mma_grad", "mma_grad_bf16_24", window4, "tiles behind the first dropped", regexp.MustCompile(`min\.s32`), "sub.s32", 2, 0, 3, 5},
		{"conv_mma_grad", "mma_grad_bf16_48", []string{"ConvGradW"}, "results of columns without a barrier", barrier, "", 2, 0, 1, 3},
		{"conv_mma_grad", "mma_grad_bf16_48", []string{"ConvGradW"}, "results of columns from a voxel taken away", regexp.MustCompile(`add\.f32`), "sub.f32", 1, 0, 0, 1},
		{"conv_mma_grad", "mma_grad_tf32_24", grad, "barrier left out", barrier, "", 1, 0, 0, 0},
	}...)
	for _, name := range kernels.Names() {
		require.True(t, slices.ContainsFunc(faults, func(p planted) bool { return p.module == name }), "no fault is planted into %s", name)
	}
	for _, p := range faults {
		t.Run(p.module+"/"+p.kernel+"/"+p.what, func(t *testing.T) {
			text, _, err := kernels.Source(p.module, 80)
			require.NoError(t, err)
			begin := strings.Index(text, ".entry "+p.kernel+"(")
			require.Positive(t, begin, p.kernel)
			end := begin + strings.Index(text[begin:], "\n}\n")
			places := p.find.FindAllStringIndex(text[begin:end], -1)
			if p.to > 0 {
				require.GreaterOrEqual(t, len(places), p.to, "%s: %s", p.kernel, p.what)
				places = places[p.from:p.to]
			}
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
				require.NotContains(t, err.Error(), "PTX refused", "%s: the change makes no PTX, so nothing was planted", p.kernel)
				caught++
				t.Logf("%s, line %d of the PTX, %s: %v", p.kernel, line, p.what, err)
			}
			require.GreaterOrEqual(t, caught, tried-p.survive, "%s: %s", p.kernel, p.what)
		})
	}
}

// few makes the epilogue of a product in fp32 do all of its work, where the fault is there, without shares of the sum.
func few(p planted) int {
	if p.module == "conv" && p.what == "the mask turned round" {
		return 1
	}
	return fewBlocks
}

// firstFailure runs the table with a changed module until a case fails.
func firstFailure(t *testing.T, p planted, text string) error {
	precision, cases := FP32, casesOf(devicetest.Options{}, p.methods...)
	if strings.Contains(p.module, "mma") {
		k := onTensorCores[0]
		if strings.Contains(p.kernel, "tf32") {
			k = onTensorCores[1]
		}
		precision, cases = k.precision, onCores(k.opt, p.methods...)
	}
	ofTheirOwn := strings.HasPrefix(p.module, "conv_few_mma") || p.module == "products_tf32" // cases that are not onCores
	stored := p.module == "bf16" || ofTheirOwn || strings.Contains(p.what, "results")
	if stored {
		precision, cases = BF16, casesOf(inStorage(), p.methods...)
		if p.module != "bf16" && !ofTheirOwn {
			cases = onCores(inStorage(), p.methods...)
		}
	}
	_, b := onEmulator(t, []emu.Option{emu.Budget(1 << 22), emu.ComputeCapability(80)}, WithoutPool(), WithPrecision(precision))
	if !strings.HasPrefix(p.kernel, "mma_finish") {
		b.opt.few, b.opt.blocks, b.opt.spread = few(p), 1, 1 // a block goes through all there is, so that all of the kernel is executed
	}
	sound := b.source
	b.source = func(name string, compute int) (string, string, error) {
		if name == p.module {
			return text, "planted", nil
		}
		return sound(name, compute)
	}
	delete(b.modules, p.module) // New has loaded one
	defer b.Close()
	var dev device.Backend = b
	if stored {
		dev = storing{b}
	}
	for _, c := range cases {
		if _, err := c.Check(dev); err != nil {
			return err
		}
	}
	return nil
}
