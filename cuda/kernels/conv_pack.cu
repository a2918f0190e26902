// Weights laid out for conv.cu: packed[t, i, o] for i < rows and o < pitch is w[t, i, o], or
// w[t, o, i] if swapped, and zero beyond the channels. w may be a part of wider weights, times a factor for each
// channel of the part, and either axis may number taps and channels through.
//
// Work: pack_weights has a thread, of 256, for each element of packed. No shared memory. Bytes moved: 4 read,
// uncoalesced if swapped, and 4 written per element; weights are small.
#include "common.cuh"

// The weights behind w are [taps][all][cut]: c, of ci if not swapped and else of co, is channel from + c of all, and the
// other axis is tap·cut + channel, beginning at the tap t. Factors are gamma·invstd; both may be null.
extern "C" __global__ void __launch_bounds__(256) pack_weights(float *packed, const float *w, const float *gamma, const float *invstd, i64 n, int rows, int pitch, int ci,
		int co, int swapped, int all, int from, int cut) {
	i64 e = thread_index();
	if (e >= n)
		return;
	int o = e % pitch;
	i64 r = e / pitch;
	int i = r % rows;
	i64 t = r / rows;
	float v = 0.f;
	if (i < ci && o < co) {
		int c = from + (swapped ? o : i), k = swapped ? i : o;
		v = __ldg(w + ((t + k / cut) * all + c) * cut + k % cut);
		if (gamma)
			v *= gamma[c] * invstd[c];
	}
	packed[e] = v;
}
