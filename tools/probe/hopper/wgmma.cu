// One tile of a 3³ convolution by wgmma, from a halo that TMA has brought to shared memory, the taps by shifting the
// descriptor's start; and the same by a plain loop. x is bf16 in [C/8][D][H][W][8], so that a tap's shift is 16 bytes:
// whether wgmma takes a matrix that begins there is what the probe asks.
//
// The tile has 4×8×8 voxels and 96 channels of y; x has 48 channels on a grid of 4×8×8, so that the halo's border is outside and must
// come as zeros. Weights are [tap][C/8][96][8]. Compiled for sm_90a by compile.py.
typedef unsigned u32;
typedef unsigned long long u64;

constexpr int C8 = 6, D = 4, H = 8, W = 8, N = 96, ED = D + 2, EH = H + 2, EW = W + 2;
constexpr int BLOCK = ED * EH * EW * 16;    // bytes of eight channels of the halo
constexpr int HALO = C8 * BLOCK;            // 57600
constexpr int WEIGHTS = C8 * N * 16;        // of a tap: 9216

__device__ __forceinline__ u32 shared(const void *p) { return (u32)__cvta_generic_to_shared(p); }

// d += A·B, 64 by 96 by 16, both K-major without swizzle.
__device__ __forceinline__ void multiply(float (&d)[48], u64 a, u64 b) {
	asm volatile("wgmma.mma_async.sync.aligned.m64n96k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
		"%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, "
		"%40, %41, %42, %43, %44, %45, %46, %47}, %48, %49, 1, 1, 1, 0, 0;"
		: "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]),
		"+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]),
		"+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]),
		"+f"(d[30]), "+f"(d[31]), "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
		"+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]) : "l"(a), "l"(b));
}

// y[256][96] of taps from, …, to-1; one warpgroup. map describes x as (8, W, H, D, C/8).
extern "C" __global__ void __launch_bounds__(128) tile(float *y, const void *map, const uint4 *w, int from, int to) {
	extern __shared__ __align__(1024) unsigned char memory[];
	__shared__ __align__(8) u64 arrived;
	const u32 halo = shared(memory), weights = halo + HALO, bar = shared(&arrived);
	if (threadIdx.x == 0) {
		asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(bar));
		asm volatile("fence.mbarrier_init.release.cluster;");
		asm volatile("fence.proxy.async;");
	}
	__syncthreads();
	if (threadIdx.x == 0) {
		asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(HALO));
		asm volatile("cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %4, %4, %3}], [%2];"
			::"r"(halo), "l"(map), "r"(bar), "r"(0), "r"(-1) : "memory");
	}
	asm volatile("{\n\t.reg .pred p;\nagain:\n\tmbarrier.try_wait.parity.shared::cta.b64 p, [%0], 0;\n\t@!p bra again;\n\t}" ::"r"(bar) : "memory");

	// Leading stride: to the next eight channels; the other: to the next eight rows, a line of the halo, or columns.
	const u64 a0 = (u64)(BLOCK >> 4) << 16 | (u64)(EW * 16 >> 4) << 32, b0 = (u64)(N * 16 >> 4) << 16 | (u64)(128 >> 4) << 32;
	for (int d = 0; d < D; d++) {
		float acc[48] = {};
		for (int tap = from; tap < to; tap++) {
			for (int i = threadIdx.x; i < WEIGHTS / 16; i += 128)
				((uint4 *)(memory + HALO))[i] = w[tap * (WEIGHTS / 16) + i];
			asm volatile("fence.proxy.async;" ::: "memory");
			__syncthreads();
			const u32 at = halo + (((d + tap / 9) * EH + tap / 3 % 3) * EW + tap % 3) * 16;
			asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
			for (int k = 0; k < C8 / 2; k++)
				multiply(acc, a0 | (at + 2 * k * BLOCK) >> 4 & 0x3fff, b0 | (weights + 2 * k * N * 16) >> 4 & 0x3fff);
			asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
			asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
			__syncthreads();
		}
		const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4;
#pragma unroll
		for (int i = 0; i < 48; i++)
			y[(d * 64 + row + i / 2 % 2 * 8) * N + i / 4 * 8 + lane % 4 * 2 + i % 2] = acc[i];
	}
}

__device__ __forceinline__ float bf16(unsigned short v) { return __uint_as_float((u32)v << 16); }

// The same by a loop, a thread for each of 256 × 96 sums.
extern "C" __global__ void __launch_bounds__(96) plain(float *y, const unsigned short *x, const unsigned short *w, int from, int to) {
	const int v = blockIdx.x, n = threadIdx.x, d = v / 64, h = v / 8 % 8, q = v % 8;
	float sum = 0.f;
	for (int tap = from; tap < to; tap++) {
		int dd = d + tap / 9 - 1, hh = h + tap / 3 % 3 - 1, ww = q + tap % 3 - 1;
		if (dd < 0 || dd >= D || hh < 0 || hh >= H || ww < 0 || ww >= W)
			continue;
		for (int c = 0; c < C8 * 8; c++)
			sum = fmaf(bf16(x[((((c / 8) * D + dd) * H + hh) * W + ww) * 8 + c % 8]), bf16(w[((tap * C8 + c / 8) * N + n) * 8 + c % 8]), sum);
	}
	y[v * N + n] = sum;
}
