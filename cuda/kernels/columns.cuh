// A tensor as a matrix, rows of c channels: how threads share it, and sums of columns.
#pragma once
#include "vec.cuh"

// Columns is the part of a thread. A block of 256 threads has the rows from
// blockIdx.x*per on, per of them or what is left. tx threads lie side by side, each
// with V consecutive channels; ty such lines of threads take every ty-th row. So a
// thread keeps its channels, and neighbours read neighbouring memory. blockIdx.y
// counts groups of tx*V channels.
template <int V> struct Columns {
	int line;    // this thread's line, its first row within the block
	int channel; // the first of its channels
	int rows;    // of the block
	int ty;
	bool active;
	i64 at;   // offset of the thread's first element
	i64 step; // offset between two of its rows

	__device__ __forceinline__ Columns(i64 all, int per, int c, int tx, int ty) : ty(ty) {
		line = threadIdx.x / tx;
		channel = (blockIdx.y * tx + threadIdx.x % tx) * V;
		i64 first = (i64)blockIdx.x * per;
		rows = (int)min((i64)per, all - first);
		active = line < ty && channel < c;
		at = (first + line) * c + channel;
		step = (i64)ty * c;
	}
};

// line_sums adds a over the lines of a block, by a fixed tree; line 0 gets the sums.
// Every thread must call it, those that are not active with zeros. Not static: the
// shared variable's name would change with the path of the file.
template <int K> __device__ __forceinline__ void line_sums(double (&a)[K], int line, int tx, int ty) {
	__shared__ double part[K][256];
	int t = threadIdx.x, half = 1;
#pragma unroll
	for (int k = 0; k < K; k++)
		part[k][t] = a[k];
	while (half < ty)
		half *= 2;
	for (half /= 2; half > 0; half /= 2) {
		__syncthreads();
		if (line < half && line + half < ty) {
#pragma unroll
			for (int k = 0; k < K; k++)
				part[k][t] = a[k] += part[k][t + half * tx];
		}
	}
}
