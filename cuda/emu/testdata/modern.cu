// What compute capability 8.0 adds.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void halves(__half2 *y, const __half2 *x, float *z) {
    __half2 v = x[threadIdx.x];
    y[threadIdx.x] = __hfma2(v, v, __float2half2_rn(0.5f));
    z[threadIdx.x] = __low2float(v) + __high2float(v);
}

extern "C" __global__ void brains(__nv_bfloat162 *y, const float *x) {
    int t = threadIdx.x;
    __nv_bfloat162 v = __floats2bfloat162_rn(x[2 * t], x[2 * t + 1]);
    y[t] = __hfma2(v, v, v);
}

extern "C" __global__ void functions(float *y, double *z, const float *x) {
    float v = x[threadIdx.x];
    y[threadIdx.x] = expf(v) + logf(fabsf(v) + 1) + sinf(v) + cosf(100000 * v) + tanhf(v) + powf(fabsf(v), 1.7f) + rsqrtf(v * v + 1) + erff(v);
    z[threadIdx.x] = exp((double)v) / 3.0 + sqrt((double)v * v + 1) + log(fabs((double)v) + 2) + sin((double)v);
}

extern "C" __global__ void matches(unsigned *y, const int *x) {
    y[threadIdx.x] = __match_any_sync(~0u, x[threadIdx.x]);
    int same;
    __match_all_sync(~0u, x[threadIdx.x] & 0, &same);
    y[32 + threadIdx.x] = same;
}
