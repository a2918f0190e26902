// A sum whose bits depend on the order of the blocks.
extern "C" __global__ void float_atomic(float *y) { atomicAdd(y, 1.0f); }
