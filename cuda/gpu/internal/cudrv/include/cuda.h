// The cuda.h of CUDA 13 with the functions whose parameters it changed mapped back
// to what gorgonia.org/cu calls; older ones as they are. Every driver still
// has both. To build with CUDA 13, put this folder first in CGO_CFLAGS (docs/gpu.md).
#include_next <cuda.h>

#if CUDA_VERSION >= 13000 && !defined(VOXGRAD_CUDA_H)
#define VOXGRAD_CUDA_H

#undef cuCtxCreate
#undef cuGraphAddDependencies
#undef cuGraphGetEdges
#undef cuMemAdvise
#undef cuMemPrefetchAsync

#define cuCtxCreate cuCtxCreate_v2

CUresult cuCtxCreate_v2(CUcontext *ctx, unsigned int flags, CUdevice dev);
CUresult cuGraphAddDependencies(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to, size_t n);
CUresult cuGraphGetEdges(CUgraph graph, CUgraphNode *from, CUgraphNode *to, size_t *n);
CUresult cuMemAdvise(CUdeviceptr p, size_t bytes, CUmem_advise advice, CUdevice dev);
CUresult cuMemPrefetchAsync(CUdeviceptr p, size_t bytes, CUdevice dst, CUstream stream);

#endif
