// Random words with the bits of package internal/rng.
#pragma once
#include "common.cuh"

// Philox4x32-10 (Salmon et al., SC'11): four words from a counter and a key.
static __device__ __forceinline__ void philox(u64 key, u64 counter, u32 (&c)[4]) {
	u32 k0 = (u32)key, k1 = (u32)(key >> 32);
	c[0] = (u32)counter, c[1] = (u32)(counter >> 32), c[2] = 0, c[3] = 0;
#pragma unroll
	for (int i = 0; i < 10; i++) {
		u32 h0 = __umulhi(0xD2511F53u, c[0]), l0 = 0xD2511F53u * c[0];
		u32 h1 = __umulhi(0xCD9E8D57u, c[2]), l1 = 0xCD9E8D57u * c[2];
		c[0] = h1 ^ c[1] ^ k0, c[1] = l1, c[2] = h0 ^ c[3] ^ k1, c[3] = l0;
		k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
	}
}
