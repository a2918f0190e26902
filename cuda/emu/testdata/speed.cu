// Kernels for the benchmark: what one class of instructions costs.

extern "C" __global__ void ints(unsigned *y, int n) {
    unsigned a = threadIdx.x, b = blockIdx.x, c = 7;
    for (int i = 0; i < n; i++) {
#pragma unroll
        for (int k = 0; k < 16; k++) {
            a = a * 5 + b;
            b ^= a;
            c += b;
        }
    }
    y[blockIdx.x * blockDim.x + threadIdx.x] = a + b + c;
}

extern "C" __global__ void fmas(float *y, int n) {
    float a = threadIdx.x, b = 0.5f, c = 1, d = 3;
    for (int i = 0; i < n; i++) {
#pragma unroll
        for (int k = 0; k < 16; k++) {
            a = a * b + c;
            c = c * b + d;
            d = d * b + a;
        }
    }
    y[blockIdx.x * blockDim.x + threadIdx.x] = a + c + d;
}

// Threads of a warp take turns of different lengths.
extern "C" __global__ void diverge(unsigned *y, int n) {
    unsigned a = threadIdx.x;
    for (int i = 0; i < n * (1 + (threadIdx.x & 3)); i++)
        if (a & 1) a = a * 3 + 1; else a = a / 2 + i;
    y[blockIdx.x * blockDim.x + threadIdx.x] = a;
}

extern "C" __global__ void copy(float4 *y, const float4 *__restrict__ x, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) y[i] = x[i];
}
