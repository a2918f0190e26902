// Joining (concat) and splitting (split) channels: the tensors as matrices with rows of ca, cb and
// ca+cb channels (columns.cuh has the work split). A thread moves V channels of 8
// rows; 8 bytes per element, 12 where split adds. V is 4 where ca and cb are divisible by
// 4, else 1. No shared memory.
#include "columns.cuh"

// move copies a thread's channels of rows at src to rows at dst, its own rows being
// so many elements apart.
template <int V> static __device__ __forceinline__ void move(const Columns<V> &my, real *dst, i64 dst_step, const real *src, i64 src_step, int add) {
#pragma unroll 1
	for (int r = my.line; r < my.rows; r += 4 * my.ty, dst += 4 * dst_step, src += 4 * src_step) {
		vec<V> v[4];
#pragma unroll
		for (int k = 0; k < 4; k++)
			if (r + k * my.ty < my.rows)
				v[k] = load<V>(src + k * src_step);
#pragma unroll
		for (int k = 0; k < 4; k++)
			if (r + k * my.ty < my.rows)
				store(dst + k * dst_step, v[k], add);
	}
}

// Half is the tensor, of two, that a thread's channels belong to.
struct Half {
	bool second;
	int c;  // its channels
	i64 at; // offset of the thread's first element
	template <int V> __device__ __forceinline__ Half(const Columns<V> &my, int ca, int cb, int per) {
		second = my.channel >= ca;
		c = second ? cb : ca;
		at = ((i64)blockIdx.x * per + my.line) * c + my.channel - (second ? ca : 0);
	}
};

template <int V> static __device__ __forceinline__ void concat(real *y, const real *a, const real *b, int ca, int cb, i64 all, int per, int tx, int ty) {
	Columns<V> my(all, per, ca + cb, tx, ty);
	Half half(my, ca, cb, per);
	if (my.active)
		move<V>(my, y + my.at, my.step, (half.second ? b : a) + half.at, (i64)ty * half.c, 0);
}

BOTH_WIDTHS(concat, (real *y, const real *a, const real *b, int ca, int cb, i64 all, int per, int tx, int ty), (y, a, b, ca, cb, all, per, tx, ty))

// da or db is null where it is not wanted.
template <int V>
static __device__ __forceinline__ void split(real *da, int add_a, real *db, int add_b, const real *dy, int ca, int cb, i64 all, int per, int tx, int ty) {
	Columns<V> my(all, per, ca + cb, tx, ty);
	Half half(my, ca, cb, per);
	real *to = half.second ? db : da;
	if (my.active && to)
		move<V>(my, to + half.at, (i64)ty * half.c, dy + my.at, my.step, half.second ? add_b : add_a);
}

BOTH_WIDTHS(split, (real *da, int add_a, real *db, int add_b, const real *dy, int ca, int cb, i64 all, int per, int tx, int ty),
			(da, add_a, db, add_b, dy, ca, cb, all, per, tx, ty))
