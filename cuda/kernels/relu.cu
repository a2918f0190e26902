// Backward of ReLU.
//
// Work: relu_grad has one block of 256 threads per 1024 elements, four consecutive elements a
// thread by 16-byte accesses, the last ones singly. No shared memory.
// Bytes moved per element: 12 (Set), 16 (Add).
#include "vec.cuh"

static __device__ __forceinline__ float grad(float dy, float y) { return y > 0.f ? dy : 0.f; }

// dx = dy where y > 0, else 0. dx may be dy.
extern "C" __global__ void __launch_bounds__(256) STORED(relu_grad)(real *dx, const real *dy, const real *y, i64 n, int add) {
	i64 i = 4 * thread_index();
	if (i + 4 <= n) {
		vec<4> g = load<4>(dy + i), v = load<4>(y + i);
#pragma unroll
		for (int j = 0; j < 4; j++)
			g.v[j] = grad(g.v[j], v.v[j]);
		store(dx + i, g, add);
		return;
	}
#pragma unroll 1
	for (; i < n; i++)
		store(dx + i, grad(get(dy + i), get(y + i)), add);
}
