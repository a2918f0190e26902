// The kernels that are bound by memory for activations stored in bf16, compiled from the same sources, and the passes between
// the two ways of storing.
//
// variants: sm_80
//
// Work: relu_grad_bf16, maxpool_bf16, maxpool_grad_bf16, upsample_bf16, upsample_grad_bf16, concat_bf16, split_bf16, dropout_bf16, copy_bf16,
// accumulate_bf16, batchnorm_apply_bf16, batchnorm_grad_apply_bf16: as relu.cu, pool.cu, up.cu, channels.cu, random.cu, memory.cu,
// batchnorm.cu and batchnorm_grad.cu have it for float, no shared memory. So have tri_combine_bf16 and tri_gather_bf16, as trilinear.cu. batchnorm_stats_bf16 and batchnorm_grad_sums_bf16 likewise, 4 KiB (v1) or
// 16 KiB (v4) of shared memory, column_sums_bf16 as column_sums.cu and border_sums_bf16 as tapsums.cu, 1 KiB each. widen_bf16 and round_bf16 have a thread for four elements, no shared memory.
// The kernels of conv_few.cu and conv_few_grad.cu, of the many channels in bf16: wide_to_few_1_bf16 37, wide_to_few_2_bf16 38.7, wide_to_few_4_bf16 42,
// few_to_wide_1_bf16 5.7, few_to_wide_2_bf16 11.4, few_to_wide_4_bf16 22.9, few_grad_1_bf16 4.7, few_grad_2_bf16 9.4, few_grad_4_bf16 18.8 KiB.
// Bytes moved: half of what is stated there; 6 per element by the passes between.
#define BF16
#include "batchnorm.cu"
#include "batchnorm_grad.cu"
#include "channels.cu"
#include "column_sums.cu"
#include "conv_few.cu"
#include "conv_few_grad.cu"
#include "memory.cu"
#include "pool.cu"
#include "random.cu"
#include "relu.cu"
#include "tapsums.cu"
#include "trilinear.cu"
#include "up.cu"

extern "C" __global__ void __launch_bounds__(256) widen_bf16(float *dst, const bf16 *src, i64 n) {
	i64 i = 4 * thread_index();
	store4(dst, i, n, load4(src, i, n));
}

extern "C" __global__ void __launch_bounds__(256) round_bf16(bf16 *dst, const float *src, i64 n) {
	i64 i = 4 * thread_index();
	store4(dst, i, n, load4(src, i, n));
}
