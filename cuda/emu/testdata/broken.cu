// Kernels that are wrong, each in one way that hardware lets pass. The tests prove
// that the emulator reports each.

extern "C" __global__ void read_behind(float *y, const float *x, int n) { y[threadIdx.x] = x[threadIdx.x + 1]; }

extern "C" __global__ void write_behind(float *y, int n) {
    if (threadIdx.x <= n) y[threadIdx.x] = 1;
}

extern "C" __global__ void write_before(float *y) { y[(int)threadIdx.x - 1] = 1; }

extern "C" __global__ void misaligned_vector(float4 *y, const float *x) {
    y[threadIdx.x] = *reinterpret_cast<const float4 *>(x + 4 * threadIdx.x + 1);
}

extern "C" __global__ void sum_of_unwritten(float *y, const float *x) { y[threadIdx.x] = x[threadIdx.x] + 1; }

extern "C" __global__ void add_to_output(float *y, const float *x) { y[threadIdx.x] += x[threadIdx.x]; }

extern "C" __global__ void unwritten_shared(float *y) {
    __shared__ float s[64];
    if (threadIdx.x < 63) s[threadIdx.x] = 1;
    __syncthreads();
    y[threadIdx.x] = s[threadIdx.x];
}

extern "C" __global__ void shared_behind(float *y, int k) {
    __shared__ float s[64];
    s[threadIdx.x + k] = 1;
    __syncthreads();
    y[threadIdx.x] = s[threadIdx.x];
}

// No barrier between the write and another warp's read.
extern "C" __global__ void missing_barrier(float *y) {
    __shared__ float s[64];
    s[threadIdx.x] = 0;
    __syncthreads();
    s[threadIdx.x] = threadIdx.x;
    y[threadIdx.x] = s[63 - threadIdx.x];
}

// The barrier at the end of the loop is missing: the next round overwrites what
// slower warps still read.
extern "C" __global__ void missing_second_barrier(float *y, const float *x) {
    __shared__ float s[64];
    float sum = 0;
    for (int i = 0; i < 3; i++) {
        s[threadIdx.x] = x[i * 64 + threadIdx.x];
        __syncthreads();
        sum += s[(threadIdx.x + 32) & 63];
    }
    y[threadIdx.x] = sum;
}

// All threads write the same place.
extern "C" __global__ void write_race(float *y) {
    __shared__ float s;
    s = threadIdx.x;
    __syncthreads();
    y[threadIdx.x] = s;
}

// Inside a warp, without __syncwarp: right on old cards by luck.
extern "C" __global__ void warp_race(float *y) {
    __shared__ float s[32];
    s[threadIdx.x] = threadIdx.x;
    y[threadIdx.x] = s[31 - threadIdx.x];
}

// A thread may read back what it wrote, its neighbour may not.
extern "C" __global__ void warp_race_behind_own_read(float *y) {
    __shared__ volatile float s[32];
    s[threadIdx.x] = threadIdx.x;
    float own = s[threadIdx.x];
    y[threadIdx.x] = own + s[31 - threadIdx.x];
}

// Warp 0 overwrites what warp 1 reads.
extern "C" __global__ void overwrite(float *y, const float *x) {
    __shared__ float s[32];
    if (threadIdx.x < 32) s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    if (threadIdx.x >= 32) y[threadIdx.x] = s[threadIdx.x - 31 & 31];
    else s[threadIdx.x] = 2 * x[threadIdx.x];
}

extern "C" __global__ void divergent_barrier(float *y) {
    __shared__ float s[64];
    if (threadIdx.x & 1) {
        s[threadIdx.x] = 1;
        __syncthreads();
        y[threadIdx.x] = s[threadIdx.x ^ 2];
    } else {
        y[threadIdx.x] = 0;
    }
}

extern "C" __global__ void early_return(float *y, int n) {
    __shared__ float s[64];
    if (threadIdx.x >= n) return;
    s[threadIdx.x] = 1;
    __syncthreads();
    y[threadIdx.x] = s[0];
}

// One warp waits at a barrier that the other does not pass.
extern "C" __global__ void lonely_barrier(float *y) {
    if (threadIdx.x >= 32) asm volatile("bar.sync 1;" ::: "memory");
    y[threadIdx.x] = 0;
}

extern "C" __global__ void endless(float *y, const int *stop) {
    int n = 0;
    while (*(volatile const int *)stop == 0) n++;
    y[threadIdx.x] = n;
}

extern "C" __global__ void shuffle_from_nobody(float *y) {
    float v = threadIdx.x;
    if (threadIdx.x < 16) v += __shfl_down_sync(0xffff, v, 8);
    y[threadIdx.x] = v;
}

extern "C" __global__ void shuffle_in_branch(float *y) {
    float v = threadIdx.x;
    if (threadIdx.x < 16) v += __shfl_xor_sync(0xffffffff, v, 1);
    else v = 0;
    y[threadIdx.x] = v;
}

extern "C" __global__ void divide(int *y, const int *x) { y[threadIdx.x] = 7 / x[threadIdx.x]; }

extern "C" __global__ void unwritten_local(float *y, const int *x, int n) {
    float v[16];
    for (int i = 0; i < n; i++) v[x[i]] = i;
    y[threadIdx.x] = v[x[threadIdx.x]];
}

extern "C" __global__ void give_up(float *y) {
    if (threadIdx.x == 5) asm volatile("trap;");
    y[threadIdx.x] = 0;
}

extern "C" __global__ void __launch_bounds__(64) small_blocks(float *y) { y[threadIdx.x] = 0; }

// Two blocks write the element where their parts meet.
extern "C" __global__ void overlapping_parts(float *y, int part) {
    for (int i = threadIdx.x; i <= part; i += blockDim.x) y[blockIdx.x * part + i] = blockIdx.x;
}

// In place, with a neighbour of another block.
extern "C" __global__ void blur_in_place(float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float v = i + 1 < n ? y[i + 1] : 0;
    __syncthreads();
    y[i] += v;
}
