// Ceilings of a card with tensor cores: mma.sync's and copy's. Compiled with nvcc 11.8 as the program's kernels are.
//
// variants: sm_80
#include <cstdint>

// A warp multiplies numbers of size one from registers into eight independent sums; `rounds` times eight products.
#define CEILING(name, shape, types)                                                                                                    \
	extern "C" __global__ void __launch_bounds__(256) name(float *y, int rounds) {                                                       \
		float d[8][4] = {};                                                                                                              \
		uint32_t a = 0x3f813e80u + threadIdx.x * 0x00010003u, b = 0xbf803f83u + threadIdx.x * 0x00050007u; \
		for (int r = 0; r < rounds; r++) {                                                                                               \
			_Pragma("unroll") for (int i = 0; i < 8; i++)                                                                                \
				asm volatile("mma.sync.aligned." shape ".row.col.f32." types ".f32 {%0, %1, %2, %3}, {%4, %4, %4, %4}, {%5, %5}, {%0, %1, %2, %3};" \
					: "+f"(d[i][0]), "+f"(d[i][1]), "+f"(d[i][2]), "+f"(d[i][3]) : "r"(a), "r"(b));                                      \
		}                                                                                                                                \
		float s = 0.f;                                                                                                                   \
		_Pragma("unroll") for (int i = 0; i < 8; i++) s += d[i][0] + d[i][1] + d[i][2] + d[i][3];                                        \
		y[blockIdx.x * 256 + threadIdx.x] = s;                                                                                           \
	}
CEILING(mma_bf16, "m16n8k16", "bf16.bf16")
CEILING(mma_tf32, "m16n8k8", "tf32.tf32")

extern "C" __global__ void __launch_bounds__(256) copy(uint4 *y, const uint4 *x, long long n) {
	for (long long i = blockIdx.x * 256ll + threadIdx.x; i < n; i += gridDim.x * 256ll)
		y[i] = x[i];
}
