// Weights laid out for conv.cu: packed[t, i, o] for i < rows and o < pitch is w[t, i, o], or
// w[t, o, i] if swapped, and zero beyond the channels.
//
// Work: pack_weights has a thread, of 256, for each element of packed. No shared memory. Bytes moved: 4 read,
// uncoalesced if swapped, and 4 written per element; weights are small.
#include "common.cuh"

extern "C" __global__ void __launch_bounds__(256) pack_weights(float *packed, const float *w, i64 n, int rows, int pitch, int ci, int co, int swapped) {
	i64 e = thread_index();
	if (e >= n)
		return;
	int o = e % pitch;
	i64 r = e / pitch;
	int i = r % rows;
	i64 t = r / rows;
	float v = 0.f;
	if (i < ci && o < co)
		v = __ldg(w + (swapped ? (t * co + o) * ci + i : (t * ci + i) * co + o));
	packed[e] = v;
}
