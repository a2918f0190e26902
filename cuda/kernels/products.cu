// Products of weights with weights (products.cuh) in fp32.
//
// Work: products_nn, products_tn, products_nt, by which of A and B has its rows along k turned round, as in BLAS: a block has 48 rows and 48 columns of a block of C, and adds
// its terms in order by tiles of gemm.cuh; 6.2 KiB of shared memory. Bytes moved: what the products of each tile need, from L2 but for the first time, and C once.
#include "gemm.cuh"
#include "products.cuh"

typedef Tile<48, 48, 4, 6> Weights;

// Four consecutive numbers of a row of which left are there.
template <bool FOURS> __device__ __forceinline__ void four(float (&v)[4], const float *p, int left, bool ok) {
	if (FOURS) {
		float4 f = load4_if(p, ok && left > 0);
		v[0] = f.x, v[1] = f.y, v[2] = f.z, v[3] = f.w;
	} else {
#pragma unroll
		for (int j = 0; j < 4; j++)
			v[j] = load_if(p + j, ok && j < left);
	}
}

// TA: A's rows are k's; TB: B's are the columns'. FOURS: all rows are of multiples of four.
template <bool TA, bool TB, bool FOURS> __device__ __forceinline__ void products(Weights &s, const Matrices &p) {
	typedef Weights T;
	const int m0 = blockIdx.x * T::BM, n0 = blockIdx.y * T::BN;
	Terms terms = p.terms();
	// Of a line along k a thread loads four numbers in one half, of a line across it four in twelve.
	const int line = threadIdx.x >> 1, half = (threadIdx.x & 1) * 4, row = threadIdx.x / 12, col = threadIdx.x % 12 * 4;
	const int stages = __popc(terms.left) * ((p.k + STAGE - 1) / STAGE);
	float acc[T::TM][T::TN] = {}, av[4], bv[4];
	int k0 = p.k; // of the stage to load next
	auto load = [&]() {
		if (k0 >= p.k)
			terms.next(), k0 = 0;
		const float *a = p.a + terms.a * p.aStep, *b = p.b + terms.b * p.bStep;
		if (TA)
			four<FOURS>(av, a + (i64)(k0 + row) * p.lda + m0 + col, p.m - m0 - col, k0 + row < p.k);
		else
			four<FOURS>(av, a + (i64)(m0 + line) * p.lda + k0 + half, p.k - k0 - half, m0 + line < p.m);
		if (TB)
			four<FOURS>(bv, b + (i64)(n0 + line) * p.ldb + k0 + half, p.k - k0 - half, n0 + line < p.n);
		else
			four<FOURS>(bv, b + (i64)(k0 + row) * p.ldb + n0 + col, p.n - n0 - col, k0 + row < p.k);
		if (p.gamma && !p.columns) {
#pragma unroll
			for (int j = 0; j < 4; j++) {
				const int i = k0 + (TB ? half + j : row);
				bv[j] *= p.factor(i, i < p.k);
			}
		}
		k0 += STAGE;
	};
	auto keep = [&](int buf) {
#pragma unroll
		for (int j = 0; j < 4; j++) {
			s.a[buf][TA ? row : half + j][TA ? col + j : line] = av[j];
			s.b[buf][TB ? half + j : row][TB ? line : col + j] = bv[j];
		}
	};
	load();
	keep(0);
	__syncthreads();
	for (int n = 0; n < stages; n++) {
		if (n + 1 < stages)
			load();
		s.multiply(acc, n & 1);
		if (n + 1 < stages)
			keep(~n & 1);
		__syncthreads();
	}
	float *c = p.block(terms);
	epilogue<T>(acc, n0, p.n, 0, [&](int r) { return m0 + r < p.m ? c + (i64)(m0 + r) * p.n : nullptr; },
		[&](float v, int, int o) { return p.columns ? v * p.factor(o, true) : v; });
}

#define PRODUCTS(name, ta, tb)                                                             \
	extern "C" __global__ void __launch_bounds__(Weights::THREADS) products_##name(MATRICES) { \
		__shared__ Weights s;                                                              \
		const Matrices p = THE_MATRICES;                                                   \
		if ((m | n | k | lda | ldb) % 4 == 0)                                              \
			products<ta, tb, true>(s, p);                                                  \
		else                                                                               \
			products<ta, tb, false>(s, p);                                                 \
	}
PRODUCTS(nn, false, false)
PRODUCTS(tn, true, false)
PRODUCTS(nt, false, true)
