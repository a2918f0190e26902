// Control flow: threads of a warp go apart in every way the language has.

extern "C" __global__ void nested(int *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int v = i;
    if (i & 1) {
        if (i & 2) v = v * 3;
        else { v += 100; if (i & 4) return; }
        v += 7;
    } else if (i & 8) {
        v = -v;
    }
    y[i] = v;
}

// Each thread goes round its own number of times, with break and continue.
extern "C" __global__ void collatz(int *steps, const unsigned *start, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned long long v = start[i];
    int s = 0;
    while (true) {
        if (v == 1) break;
        s++;
        if (v % 2 == 0) { v /= 2; continue; }
        v = 3 * v + 1;
        if (s > 400) break;
    }
    steps[i] = s;
}

extern "C" __global__ void choose(int *y, const int *op) {
    int i = threadIdx.x, v = i;
    switch (op[i]) {
    case 0: v += 10; break;
    case 1: v *= 2; // falls through
    case 2: v -= 3; break;
    case 3: for (int k = 0; k < i; k++) v ^= k * 77; break;
    case 5: v = ~v; break;
    case 6: v = v << 5; break;
    case 7: v = v * v; break;
    default: v = -1;
    }
    y[i] = v;
}

__device__ __noinline__ int gcd(int a, int b) {
    while (b) { int t = a % b; a = b; b = t; }
    return a;
}

__device__ __noinline__ double poly(double x, int n) {
    double s = 0;
    for (int i = 0; i < n; i++) s = s * x + gcd(i + 12, 18);
    return s;
}

extern "C" __global__ void calls(double *y, const int *a, const int *b) {
    int i = threadIdx.x;
    double v = gcd(a[i], b[i]);
    if (i % 3) v += poly(v * 0.125, i % 7);
    y[i] = v;
}

// An array in local memory, indexed by data.
extern "C" __global__ void histogram(int *y, const unsigned char *x, int n) {
    int count[16];
    for (int i = 0; i < 16; i++) count[i] = 0;
    for (int i = 0; i < n; i++) count[x[threadIdx.x * n + i] & 15]++;
    for (int i = 0; i < 16; i++) y[threadIdx.x * 16 + i] = count[i];
}

// Mandelbrot: a loop with two exits and floats.
extern "C" __global__ void escape(int *y, int w) {
    float cx = -2 + 3.0f * threadIdx.x / w, cy = -1.5f + 3.0f * blockIdx.x / w, x = 0, z = 0;
    int k = 0;
    for (; k < 50 && x * x + z * z < 4; k++) {
        float t = x * x - z * z + cx;
        z = 2 * x * z + cy;
        x = t;
    }
    y[blockIdx.x * w + threadIdx.x] = k;
}

// Barriers inside a loop that all threads go round as often.
extern "C" __global__ void scan(int *y, const int *x) {
    __shared__ int s[2][128];
    int t = threadIdx.x, cur = 0;
    s[0][t] = x[blockIdx.x * 128 + t];
    __syncthreads();
    for (int d = 1; d < 128; d *= 2) {
        s[1 - cur][t] = s[cur][t] + (t >= d ? s[cur][t - d] : 0);
        cur = 1 - cur;
        __syncthreads();
    }
    y[blockIdx.x * 128 + t] = s[cur][t];
}
