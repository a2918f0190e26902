// Products of matrices with mma.sync, from tiles that cp.async brings in two stages and ldmatrix reads. Compiled for compute capability 8.0:
// nvcc -ptx -O3 -std=c++17 -arch=compute_80 tensor.cu
typedef unsigned int u32;
typedef unsigned short u16;

__device__ __forceinline__ u32 shared(const void *p) { return (u32)__cvta_generic_to_shared(p); }

__device__ __forceinline__ void copy16(u32 to, const void *from, int bytes) {
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

__device__ __forceinline__ void rows4(u32 (&r)[4], u32 a) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(a) : "memory");
}

// y [64, n] = a [64, k] times b [k, n], bf16; k and n are multiples of 8. A block of 4 warps has 8 columns, a warp 16 rows, a
// stage 16 of k. What is beyond k is zeros.
extern "C" __global__ void __launch_bounds__(128) product_bf16(float *y, const u16 *a, const u16 *b, int k, int n) {
	__shared__ __align__(16) u16 A[2][64][24], B[2][16][8];
	int t = threadIdx.x, warp = t / 32, lane = t % 32, col = blockIdx.x * 8;
	float d[4] = {};
	auto fetch = [&](int s) {
		int at = s * 16 + t % 2 * 8;
		copy16(shared(&A[s & 1][t / 2][t % 2 * 8]), at < k ? a + t / 2 * k + at : a, at < k ? 16 : 0);
		if (t < 16)
			copy16(shared(&B[s & 1][t][0]), s * 16 + t < k ? b + (s * 16 + t) * n + col : b, s * 16 + t < k ? 16 : 0);
		asm volatile("cp.async.commit_group;" ::: "memory");
	};
	fetch(0);
	for (int s = 0; s * 16 < k; s++) {
		fetch(s + 1);
		asm volatile("cp.async.wait_group 1;" ::: "memory");
		__syncthreads();
		u32 fa[4], fb[2];
		rows4(fa, shared(&A[s & 1][warp * 16 + lane % 16][lane / 16 * 8]));
		asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(fb[0]), "=r"(fb[1]) : "r"(shared(&B[s & 1][lane % 16][0])) : "memory");
		asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
			: "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));
		__syncthreads();
	}
	asm volatile("cp.async.wait_all;" ::: "memory");
	for (int i = 0; i < 4; i++)
		y[(warp * 16 + lane / 4 + i / 2 * 8) * n + col + lane % 4 * 2 + i % 2] = d[i];
}

// y [16, 8] = a [16, k] times b [8, k] transposed, tf32; k is a multiple of 8. One warp; ldmatrix reads words of 32 bits as pairs of 16.
extern "C" __global__ void __launch_bounds__(32) product_tf32(float *y, const float *a, const float *b, int k) {
	__shared__ __align__(16) float A[16][12], B[8][12];
	int lane = threadIdx.x;
	float d[4] = {};
	for (int s = 0; s < k; s += 8) {
		copy16(shared(&A[lane / 2][lane % 2 * 4]), a + lane / 2 * k + s + lane % 2 * 4, 16);
		for (int i = lane; i < 64; i += 32)
			asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(shared(&B[i / 8][i % 8])), "l"(b + i / 8 * k + s + i % 8) : "memory");
		asm volatile("cp.async.wait_all;" ::: "memory");
		__syncwarp();
		u32 fa[4], fb[2];
		rows4(fa, shared(&A[lane % 16][lane / 16 * 4]));
		asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(fb[0]), "=r"(fb[1]) : "r"(shared(&B[lane % 8][lane / 8 % 2 * 4])) : "memory");
		asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
			: "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));
		__syncwarp();
	}
	for (int i = 0; i < 4; i++)
		y[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
}
