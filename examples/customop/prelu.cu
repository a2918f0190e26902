// PReLU (He et al. 2015, doi 10.1109/ICCV.2015.123) of x [rows, channels] with a slope a[c] per channel:
//
//	y = x where x > 0, else a[c]·x
//	dx = dy where x > 0, else a[c]·dy
//	da[c] = the sum over the rows of dy·x where x <= 0
//
// Work: prelu and prelu_grad have one thread per element. prelu_slopes has blocks of 32 channels by 8 rows; block (i, j)
// adds rows i, i + gridDim.x, ... of 8 rows each for 32 channels, in a fixed order: 1 KiB of shared
// memory. prelu_slopes_total adds the blocks' sums, one thread per channel. No shared memory in the others.
#define STORE(p, v, add) (*(p) = (add) ? *(p) + (v) : (v))

extern "C" __global__ void prelu(float *y, const float *x, const float *a, long long n, int channels) {
	long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
	if (i < n)
		y[i] = x[i] > 0.f ? x[i] : a[i % channels] * x[i];
}

extern "C" __global__ void prelu_grad(float *dx, const float *dy, const float *x, const float *a, long long n, int channels, bool add) {
	long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
	if (i < n)
		STORE(dx + i, x[i] > 0.f ? dy[i] : a[i % channels] * dy[i], add);
}

extern "C" __global__ void prelu_slopes(float *sums, const float *dy, const float *x, long long rows, int channels) {
	__shared__ float part[8][32];
	int c = blockIdx.y * 32 + threadIdx.x;
	float sum = 0.f;
	if (c < channels)
		for (long long r = (long long)blockIdx.x * 8 + threadIdx.y; r < rows; r += (long long)gridDim.x * 8) {
			long long i = r * channels + c;
			sum += x[i] > 0.f ? 0.f : dy[i] * x[i];
		}
	part[threadIdx.y][threadIdx.x] = sum;
	__syncthreads();
	if (threadIdx.y > 0 || c >= channels)
		return;
	for (int k = 1; k < 8; k++)
		sum += part[k][threadIdx.x];
	sums[(long long)blockIdx.x * channels + c] = sum;
}

extern "C" __global__ void prelu_slopes_total(float *da, const float *sums, int blocks, int channels, bool add) {
	int c = blockIdx.x * blockDim.x + threadIdx.x;
	if (c >= channels)
		return;
	float sum = 0.f;
	for (int b = 0; b < blocks; b++)
		sum += sums[(long long)b * channels + c];
	STORE(da + c, sum, add);
}
