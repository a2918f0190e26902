// Address spaces, vectors, atomics, votes, barriers.

struct __align__(16) Quad { int a, b, c, d; };

extern "C" __global__ void vectors(float4 *y4, float2 *y2, double2 *yd, const float4 *x4, const float2 *x2, const double2 *xd) {
    int i = threadIdx.x;
    float4 v = x4[i];
    y4[i] = make_float4(v.w, v.z, v.y, v.x);
    float2 u = x2[i];
    y2[i] = make_float2(u.y, u.x + v.x);
    double2 d = xd[i];
    yd[i] = make_double2(d.y, d.x);
}

extern "C" __global__ void bytes(unsigned char *y, short *z, const signed char *x, const unsigned short *w) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = (unsigned char)(x[i] >> 1);
    z[i] = (short)(w[i] - x[i]);
}

// Index arithmetic beyond 32 bits: strides chosen so that products need 64.
extern "C" __global__ void far(float *y, const float *x, long long stride, long long wrap) {
    long long i = threadIdx.x * stride;
    y[threadIdx.x] = x[i % wrap];
}

__constant__ float table[8] = {1, 2, 4, 8, 16, 32, 64, 128};
__device__ int counter = 5;
__device__ int *where = &counter;
__constant__ Quad quad = {1, -2, 3, -4};

extern "C" __global__ void constants(float *y, int *z, int k) {
    y[threadIdx.x] = table[(threadIdx.x + k) & 7] + quad.b;
    if (threadIdx.x == 0) { z[0] = counter; *where = 77; z[1] = counter; }
}

extern "C" __global__ void integer_atomics(unsigned *y, unsigned long long *y64, int *ret, const int *x) {
    __shared__ unsigned s[4];
    int t = threadIdx.x, v = x[blockIdx.x * blockDim.x + t];
    if (t < 4) s[t] = t == 2 ? 0xffffffffu : 0;
    __syncthreads();
    atomicAdd(&y[0], v);
    atomicMin((int *)&y[1], v);
    atomicMax((int *)&y[2], v);
    atomicOr(&y[3], 1u << (v & 31));
    atomicAnd(&y[4], ~(1u << (v & 31)));
    atomicXor(&y[5], v);
    ret[blockIdx.x * blockDim.x + t] = atomicInc(&y[6], 10);
    atomicDec(&y[7], 6);
    atomicAdd(y64, (unsigned long long)v * v);
    atomicMax(y64 + 1, (unsigned long long)v);
    atomicAdd(&s[0], 1);
    atomicMax(&s[1], v);
    atomicMin(&s[2], v);
    unsigned old = 0, seen; // a loop of compare and swap
    do { seen = old; old = atomicCAS(&s[3], seen, seen + 1); } while (old != seen);
    __syncthreads();
    if (t < 4) atomicAdd(&y[8 + t], s[t]);
}

extern "C" __global__ void votes(unsigned *y, const int *x) {
    int v = x[threadIdx.x];
    unsigned b = __ballot_sync(~0u, v > 0);
    int all = __all_sync(~0u, v > -100), any = __any_sync(~0u, v > 50), n = __syncthreads_count(v > 0);
    int every = __syncthreads_and(v > -100), some = __syncthreads_or(v > 90);
    unsigned odd = 0;
    if (v & 1) odd = __activemask();
    y[threadIdx.x * 4] = b;
    y[threadIdx.x * 4 + 1] = all | any << 1 | every << 2 | some << 3;
    y[threadIdx.x * 4 + 2] = n;
    y[threadIdx.x * 4 + 3] = odd;
}

extern "C" __global__ void shuffles(int *y, const int *x) {
    int t = threadIdx.x, v = x[t];
    y[t] = __shfl_sync(~0u, v, (t * 7) & 31);
    y[128 + t] = __shfl_up_sync(~0u, v, 3, 8);
    y[256 + t] = __shfl_down_sync(~0u, v, 5, 16);
    y[384 + t] = __shfl_xor_sync(~0u, v, 6);
}

// Warps 0 and 1 hand data over to 2 and 3 through a named barrier.
extern "C" __global__ void named(int *y) {
    __shared__ int a[64], b[64];
    int t = threadIdx.x;
    if (t < 64) {
        a[t] = t * 3;
        asm volatile("bar.sync 1, 64;" ::: "memory");
        b[t] = a[63 - t] + 1;
        asm volatile("bar.arrive 2, 128;" ::: "memory");
        y[t] = 0;
    } else {
        asm volatile("bar.sync 2, 128;" ::: "memory");
        y[t] = b[t - 64];
    }
}

// A pointer that may be shared or global: generic loads and stores.
__device__ __noinline__ float pick(const float *p, int i) { return p[i]; }

extern "C" __global__ void generic(float *y, const float *x) {
    __shared__ float s[64];
    float l[4] = {1, 2, 3, 4};
    int t = threadIdx.x;
    s[t] = x[t] * 2;
    l[t & 3] = t;
    __syncthreads();
    const float *p = t & 1 ? s : x;
    const float *q = t & 2 ? l : p;
    y[t] = pick(p, 63 - t) + pick(q, t & 3);
}

// Neighbours exchange inside a warp, ordered by __syncwarp.
extern "C" __global__ void syncwarp(int *y) {
    __shared__ int s[64];
    int t = threadIdx.x, w = t & ~31;
    for (int k = 0; k < 3; k++) {
        s[t] = t + k;
        __syncwarp();
        int v = s[w + (t + 1) % 32];
        __syncwarp();
        y[k * 64 + t] = v;
    }
}

// The last block to finish adds the partial sums of all.
__device__ unsigned done;
extern "C" __global__ void last_block(int *total, int *part, const int *x, int n) {
    __shared__ int s;
    __shared__ bool last;
    if (threadIdx.x == 0) s = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&s, x[i]);
    __syncthreads();
    if (threadIdx.x == 0) {
        part[blockIdx.x] = s;
        __threadfence();
        last = atomicInc(&done, gridDim.x - 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && threadIdx.x == 0) {
        int sum = 0;
        for (unsigned b = 0; b < gridDim.x; b++) sum += ((volatile int *)part)[b];
        *total = sum;
    }
}
