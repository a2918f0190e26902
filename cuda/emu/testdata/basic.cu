// Kernels of the first kind: one thread an element, tails, reductions, shared
// memory. `make ptx-testdata` is not needed to run the tests: the PTX is committed.

extern "C" __global__ void axpy(float *y, const float *__restrict__ x, float a, long long n) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}

// Sum of a block by shuffles, then of its warps through shared memory; one partial
// for each block, whatever n is.
extern "C" __global__ void __launch_bounds__(256) blocksum(float *part, const float *__restrict__ x, long long n) {
    __shared__ float warps[8];
    float s = 0;
    for (long long i = blockIdx.x * 256LL + threadIdx.x; i < n; i += gridDim.x * 256LL) s += x[i];
    for (int o = 16; o; o >>= 1) s += __shfl_xor_sync(0xffffffffu, s, o);
    if ((threadIdx.x & 31) == 0) warps[threadIdx.x >> 5] = s;
    __syncthreads();
    if (threadIdx.x < 32) {
        s = threadIdx.x < 8 ? warps[threadIdx.x] : 0;
        for (int o = 4; o; o >>= 1) s += __shfl_down_sync(0xffffffffu, s, o);
        if (threadIdx.x == 0) part[blockIdx.x] = s;
    }
}

#define TILE 16
// c (m x n) = a (m x k) b (k x n), any sizes.
extern "C" __global__ void matmul(float *c, const float *__restrict__ a, const float *__restrict__ b, int m, int n, int k) {
    __shared__ float sa[TILE][TILE], sb[TILE][TILE + 1];
    int row = blockIdx.y * TILE + threadIdx.y, col = blockIdx.x * TILE + threadIdx.x;
    float acc = 0;
    for (int t = 0; t < k; t += TILE) {
        sa[threadIdx.y][threadIdx.x] = row < m && t + threadIdx.x < k ? a[(size_t)row * k + t + threadIdx.x] : 0;
        sb[threadIdx.y][threadIdx.x] = col < n && t + threadIdx.y < k ? b[(size_t)(t + threadIdx.y) * n + col] : 0;
        __syncthreads();
#pragma unroll
        for (int i = 0; i < TILE; i++) acc += sa[threadIdx.y][i] * sb[i][threadIdx.x];
        __syncthreads();
    }
    if (row < m && col < n) c[(size_t)row * n + col] = acc;
}

// Reverses each block's elements through dynamic shared memory.
extern "C" __global__ void reverse(int *y, const int *__restrict__ x) {
    extern __shared__ int buf[];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    buf[threadIdx.x] = x[i];
    __syncthreads();
    y[i] = buf[blockDim.x - 1 - threadIdx.x];
}
