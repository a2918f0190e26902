// Changes of values where they are.
//
// noise: one block of 256 threads per 1024 elements, four consecutive ones a thread by 16-byte accesses, the
// last ones singly; 8 bytes moved per element. No shared memory. It draws as dropout does.
// min_part, min_finish: at most 1024 blocks take the minimum of a grid-stride share each,
// one block the minimum of theirs; 4 bytes read per element, 32 bytes of shared memory.
// bias_field: a warp per line along W; its lanes find the line's polynomial in W alone first. 8 bytes moved
// per element. No shared memory.
#include "normal.cuh"
#include "vec.cuh"

// y = x + sd*z. y may be x.
extern "C" __global__ void __launch_bounds__(256) noise(float *y, const float *x, i64 n, float sd, u64 key) {
	i64 i = 4 * thread_index();
	if (i >= n)
		return;
	u32 word[4];
	philox(key, i / 4, word);
	vec<4> v = load4(x, i, n);
#pragma unroll
	for (int j = 0; j < 4; j++)
		v.v[j] = fmaf(sd, normal32(word[j]), v.v[j]);
	store4(y, i, n, v);
}

// The smaller one; a NaN wins and stays.
static __device__ __forceinline__ float lesser(float a, float b) { return b < a || b != b ? b : a; }

// Not static: see common.cuh.
__device__ __forceinline__ float block_least(float m) {
	__shared__ float part[8];
#pragma unroll
	for (int d = 16; d > 0; d >>= 1)
		m = lesser(m, __shfl_xor_sync(0xffffffffu, m, d));
	if ((threadIdx.x & 31) == 0)
		part[threadIdx.x >> 5] = m;
	__syncthreads();
#pragma unroll
	for (int i = 0; i < 8; i++)
		m = lesser(m, part[i]);
	return m;
}

extern "C" __global__ void __launch_bounds__(256) min_part(float *part, const float *x, i64 n) {
	float m = *x;
#pragma unroll 1
	for (i64 i = 4 * thread_index(); i < n; i += 4 * thread_count()) {
		if (i + 4 <= n) {
			float4 v = *(const float4 *)(x + i);
			m = lesser(lesser(m, lesser(v.x, v.y)), lesser(v.z, v.w));
		} else {
#pragma unroll 1
			for (i64 j = i; j < n; j++)
				m = lesser(m, x[j]);
		}
	}
	m = block_least(m);
	if (threadIdx.x == 0)
		part[blockIdx.x] = m;
}

extern "C" __global__ void __launch_bounds__(256) min_finish(float *least, const float *part, int parts) {
	float m = part[0];
#pragma unroll 1
	for (int i = threadIdx.x; i < parts; i += 256)
		m = lesser(m, part[i]);
	m = block_least(m);
	if (threadIdx.x == 0)
		*least = m;
}

// The place of voxel i of n, -1 at the first and 1 at the last.
static __device__ __forceinline__ double centred(u32 i, u32 n) {
	double half = 0.5 * (n - 1);
	return n > 1 ? (i - half) / half : 0;
}

constexpr int ORDERS = 5;

// y = x*exp(polynomial). coef is by powers of D, H and W, the last fastest. y may be x.
extern "C" __global__ void __launch_bounds__(256) bias_field(float *y, const float *x, const float *coef, i64 lines, u32 d, u32 h, u32 w, u32 c, int order) {
	i64 at = (i64)blockIdx.x * 8 + (threadIdx.x >> 5);
	if (at >= lines)
		return;
	u32 plane = (u32)(at / h);
	double u0 = centred(plane % d, d), u1 = centred((u32)(at - (i64)plane * h), h);
	double line[ORDERS] = {};
	double pu = 1;
	int k = 0;
#pragma unroll 1
	for (int p = 0; p <= order; p++, pu *= u0) {
		double qu = pu;
#pragma unroll 1
		for (int q = 0; q <= order - p; q++, qu *= u1)
#pragma unroll
			for (int r = 0; r < ORDERS; r++)
				if (r <= order - p - q)
					line[r] += coef[k++] * qu;
	}
	u32 n = w * c;
	at *= n;
#pragma unroll 1
	for (u32 i = threadIdx.x & 31; i < n; i += 32) {
		double u2 = centred(i / c, w), s = line[ORDERS - 1];
#pragma unroll
		for (int r = ORDERS - 2; r >= 0; r--)
			s = fma(s, u2, line[r]);
		y[at + i] = (float)(x[at + i] * exp(s));
	}
}
