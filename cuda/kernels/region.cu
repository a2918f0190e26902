// The voxels where a mask is above one half.
//
// region_sums, region_mean, region_squares, region_deviation: the mean, then the squared deviations from it, each
// by at most 1024 blocks that write a sum for themselves and one block that adds these in order, all in double.
// 8 bytes read per element and pass; 64 bytes of shared memory.
// region_noise, region_select: one block of 256 threads per 1024 elements, four consecutive ones a thread by 16-byte accesses, the last
// ones singly; 12 and 16 bytes moved per element. No shared memory.
#include "normal.cuh"
#include "vec.cuh"

// part[block] is the sum of x inside, part[blocks + block] the number of voxels.
extern "C" __global__ void __launch_bounds__(256) region_sums(double *part, const float *x, const float *mask, i64 n) {
	double sum = 0, count = 0;
#pragma unroll 1
	for (i64 i = 4 * thread_index(); i < n; i += 4 * thread_count()) {
		vec<4> v = load4(x, i, n), m = load4(mask, i, n);
#pragma unroll
		for (int j = 0; j < 4; j++)
			if (m.v[j] > 0.5f)
				sum += v.v[j], count++;
	}
	sum = block_sum<256>(sum);
	count = block_sum<256>(count);
	if (threadIdx.x == 0)
		part[blockIdx.x] = sum, part[gridDim.x + blockIdx.x] = count;
}

// The sum of the partial results, in thread 0.
static __device__ __forceinline__ double total(const double *part, int parts) {
	double s = 0;
#pragma unroll 1
	for (int i = threadIdx.x; i < parts; i += 256)
		s += part[i];
	return block_sum<256>(s);
}

// moments: the mean, and the number of voxels.
extern "C" __global__ void __launch_bounds__(256) region_mean(double *moments, const double *part, int parts) {
	double sum = total(part, parts), count = total(part + parts, parts);
	if (threadIdx.x == 0)
		moments[0] = count > 0 ? sum / count : 0, moments[1] = count;
}

extern "C" __global__ void __launch_bounds__(256) region_squares(double *part, const float *x, const float *mask, i64 n, const double *moments) {
	double mean = moments[0], sum = 0;
#pragma unroll 1
	for (i64 i = 4 * thread_index(); i < n; i += 4 * thread_count()) {
		vec<4> v = load4(x, i, n), m = load4(mask, i, n);
#pragma unroll
		for (int j = 0; j < 4; j++)
			if (m.v[j] > 0.5f) {
				double d = v.v[j] - mean;
				sum += d * d;
			}
	}
	sum = block_sum<256>(sum);
	if (threadIdx.x == 0)
		part[blockIdx.x] = sum;
}

extern "C" __global__ void __launch_bounds__(256) region_deviation(float *stats, const double *part, int parts, const double *moments) {
	double sum = total(part, parts);
	if (threadIdx.x == 0)
		stats[0] = (float)moments[0], stats[1] = moments[1] > 0 ? (float)sqrt(sum / moments[1]) : 0.f;
}

// y = stats[0] + stats[1]*z inside, else x. y may be x.
extern "C" __global__ void __launch_bounds__(256) region_noise(float *y, const float *x, const float *mask, const float *stats, i64 n, u64 key) {
	i64 i = 4 * thread_index();
	if (i >= n)
		return;
	u32 word[4];
	philox(key, i / 4, word);
	float mean = stats[0], sd = stats[1];
	vec<4> v = load4(x, i, n), m = load4(mask, i, n);
#pragma unroll
	for (int j = 0; j < 4; j++)
		if (m.v[j] > 0.5f)
			v.v[j] = fmaf(sd, normal32(word[j]), mean);
	store4(y, i, n, v);
}

// y = a inside, else b. y may be a or b.
extern "C" __global__ void __launch_bounds__(256) region_select(float *y, const float *mask, const float *a, const float *b, i64 n) {
	i64 i = 4 * thread_index();
	vec<4> m = load4(mask, i, n), u = load4(a, i, n), v = load4(b, i, n);
#pragma unroll
	for (int j = 0; j < 4; j++)
		v.v[j] = m.v[j] > 0.5f ? u.v[j] : v.v[j];
	store4(y, i, n, v);
}
