// Backward of ReLU.
//
// Work: relu_grad has one block of 256 threads per 1024 elements, four consecutive elements a
// thread by 16-byte accesses, the last ones singly. No shared memory.
// Bytes moved per element: 12 (Set), 16 (Add).
#include "common.cuh"

static __device__ __forceinline__ float grad(float dy, float y) { return y > 0.f ? dy : 0.f; }

// dx = dy where y > 0, else 0. dx may be dy.
extern "C" __global__ void __launch_bounds__(256) relu_grad(float *dx, const float *dy, const float *y, i64 n, int add) {
	i64 i = 4 * thread_index();
	if (i + 4 <= n) {
		float4 g = *(const float4 *)(dy + i), v = *(const float4 *)(y + i);
		float4 r = make_float4(grad(g.x, v.x), grad(g.y, v.y), grad(g.z, v.z), grad(g.w, v.w));
		if (add) {
			float4 o = *(const float4 *)(dx + i);
			r.x += o.x, r.y += o.y, r.z += o.z, r.w += o.w;
		}
		*(float4 *)(dx + i) = r;
		return;
	}
#pragma unroll 1
	for (; i < n; i++)
		store(dx + i, grad(dy[i], y[i]), add);
}
