// Products of weights with weights (products.cuh) on tensor cores, their numbers rounded to tf32, for channels that are multiples of four.
//
// Work: products_tf32_nn, products_tf32_tn, products_tf32_nt: as in products.cu, a block has 48 rows and 48 columns of a block of C; its four warps have a quarter of each stage of 32 terms, of which four are on the way at
// once, and are added in order. No shared memory but what the launch gives, 56 KiB. Bytes moved: as there.
//
// variants: sm_80
#include "mma.cuh"
#include "products.cuh"

constexpr int SIDE = 48, DEEP = 32, STAGES = 4, ALONG = DEEP + 4, ACROSS = SIDE + 8; // pitches, of lines along k and across it: a fragment's numbers are on all banks
constexpr int PART = SIDE * ALONG > DEEP * ACROSS ? SIDE * ALONG : DEEP * ACROSS;

static __device__ __forceinline__ u32 tf32(float v) {
	u32 w;
	asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(w) : "f"(v));
	return w;
}

// Copies is what a thread copies of an operand's stages: SIDE lines along k, or DEEP lines across it.
template <bool ACROSS_K> struct Copies {
	static constexpr int PIECES = (ACROSS_K ? SIDE : DEEP) / 4, PITCH = ACROSS_K ? ACROSS : ALONG;
	int from[3], at[3]; // of its three pieces, in the operand and along k; from is -1 outside
	u32 to[3];

	__device__ __forceinline__ Copies(const float *stage, int ld, int side0, int side) {
#pragma unroll
		for (int n = 0; n < 3; n++) {
			const int i = n * 128 + threadIdx.x, line = i / PIECES, e = i % PIECES * 4, of = side0 + (ACROSS_K ? e : line);
			at[n] = ACROSS_K ? line : e;
			from[n] = of < side ? ACROSS_K ? line * ld + of : of * ld + e : -1;
			to[n] = shared_address(stage + line * PITCH + e);
		}
	}
	// start starts them, of a stage with so many terms left, so many bytes behind the first one.
	__device__ __forceinline__ void start(const float *p, int left, u32 behind) const {
#pragma unroll
		for (int n = 0; n < 3; n++) {
			const bool ok = from[n] >= 0 && at[n] < left;
			copy16(to[n] + behind, p + (ok ? from[n] : 0), ok);
		}
	}
};

template <bool TA, bool TB> __device__ __forceinline__ void products(float *s, const Matrices &p) {
	const int m0 = blockIdx.x * SIDE, n0 = blockIdx.y * SIDE, lane = threadIdx.x % 32, g = lane / 4, q = lane % 4, warp = threadIdx.x / 32, ofTerm = (p.k + DEEP - 1) / DEEP;
	Terms terms = p.terms();
	const int stages = __popc(terms.left) * ofTerm;
	const Copies<TA> ofA(s, p.lda, m0, p.m);
	const Copies<!TB> ofB(s + PART, p.ldb, n0, p.n);
	int k0 = p.k; // of the stage to copy next
	auto start = [&](int n) {
		if (n < stages) {
			if (k0 >= p.k)
				terms.next(), k0 = 0;
			const u32 behind = n % STAGES * 2 * PART * 4;
			ofA.start(p.a + terms.a * p.aStep + (TA ? (i64)k0 * p.lda : k0), p.k - k0, behind);
			ofB.start(p.b + terms.b * p.bStep + (TB ? k0 : (i64)k0 * p.ldb), p.k - k0, behind);
			k0 += DEEP;
		}
		asm volatile("cp.async.commit_group;" ::: "memory");
	};
#pragma unroll
	for (int n = 0; n < STAGES - 1; n++)
		start(n);
	float acc[3][6][4] = {};
	int at = 0; // this stage's place in its term
#pragma unroll 1
	for (int n = 0; n < stages; n++) {
		asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2) : "memory");
		__syncthreads();
		start(n + STAGES - 1);
		const float *a = s + n % STAGES * 2 * PART, *b = a + PART;
		const int k = warp * 8 + q;
		float factor[2] = {1.f, 1.f};
		if (p.gamma && !p.columns)
#pragma unroll
			for (int i = 0; i < 2; i++)
				factor[i] = p.factor(at * DEEP + k + 4 * i, at * DEEP + k + 4 * i < p.k);
		at = at + 1 < ofTerm ? at + 1 : 0;
		u32 af[3][4], bf[6][2];
#pragma unroll
		for (int i = 0; i < 3; i++)
#pragma unroll
			for (int e = 0; e < 4; e++) {
				const int row = i * 16 + g + e % 2 * 8, col = k + e / 2 * 4;
				af[i][e] = tf32(a[TA ? col * ACROSS + row : row * ALONG + col]);
			}
#pragma unroll
		for (int j = 0; j < 6; j++)
#pragma unroll
			for (int e = 0; e < 2; e++) {
				const int row = k + e * 4, col = j * 8 + g;
				bf[j][e] = tf32(b[TB ? col * ALONG + row : row * ACROSS + col] * factor[e]);
			}
#pragma unroll
		for (int i = 0; i < 3; i++)
#pragma unroll
			for (int j = 0; j < 6; j++)
				mma<true>(acc[i][j], af[i], bf[j][0], bf[j][1]);
	}
	arrive();
#pragma unroll
	for (int i = 0; i < 3; i++)
#pragma unroll
		for (int j = 0; j < 6; j++)
#pragma unroll
			for (int e = 0; e < 4; e += 2)
				*(float2 *)(s + (warp * SIDE + i * 16 + g + e * 4) * ACROSS + j * 8 + q * 2) = make_float2(acc[i][j][e], acc[i][j][e + 1]);
	__syncthreads();
#pragma unroll 2
	for (int i = threadIdx.x; i < SIDE * SIDE; i += 128) {
		const int row = i / SIDE, col = i % SIDE;
		if (m0 + row >= p.m || n0 + col >= p.n)
			continue;
		float v = 0.f;
#pragma unroll
		for (int w = 0; w < 4; w++)
			v += s[(w * SIDE + row) * ACROSS + col];
		p.block(terms)[(i64)(m0 + row) * p.n + n0 + col] = p.columns ? v * p.factor(n0 + col, true) : v;
	}
}

#define PRODUCTS(name, ta, tb)                                                    \
	extern "C" __global__ void __launch_bounds__(128) products_tf32_##name(MATRICES) { \
		extern __shared__ __align__(16) float s[];                                \
		const Matrices p = THE_MATRICES;                                          \
		products<ta, tb>(s, p);                                                   \
	}
PRODUCTS(nn, false, false)
PRODUCTS(tn, true, false)
PRODUCTS(nt, false, true)
