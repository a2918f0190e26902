// The rate of fused multiply-adds with nothing else to wait for, which bench sets
// convolutions against.
//
// Work split: a thread does 16 independent chains of 16 multiply-adds in each round,
// 512 operations. Shared memory: none. Bytes moved: 4 for each thread, at the end.

extern "C" __global__ void __launch_bounds__(256) fma_peak(float *out, int rounds, float x, float y) {
	float s[16];
#pragma unroll
	for (int i = 0; i < 16; i++) {
		s[i] = (float)(threadIdx.x + i);
	}
	for (int t = 0; t < rounds; t++) {
#pragma unroll
		for (int k = 0; k < 16; k++) {
#pragma unroll
			for (int i = 0; i < 16; i++) {
				s[i] = fmaf(s[i], x, y);
			}
		}
	}
	float sum = 0;
#pragma unroll
	for (int i = 0; i < 16; i++) {
		sum += s[i];
	}
	out[(long long)blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
