#!/usr/bin/env bash
# The checks of `voxgrad gradcheck` on a GPU (every op, those of augmentation and synthesis
# too, and whole networks), also under compute-sanitizer where it is installed; the suite that the emulator passes
# (guards around tensors, networks against PyTorch's, ten updates, the same bits on two runs); and the
# benchmarks. Skips with the reason where there is no GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=bin/voxgrad
if ! reason=$("$bin" devices --json | sed -n 's/.*"no_gpu": "\(.*\)".*/\1/p') || [ -n "$reason" ]; then
	echo "skipped: $reason"
	exit 0
fi
"$bin" devices
"$bin" gradcheck --device cuda
CGO_ENABLED=1 go test -tags cuda -count=1 -timeout 30m -run '^TestGPU' ./cuda
if command -v compute-sanitizer >/dev/null; then
	for tool in memcheck racecheck; do
		compute-sanitizer --tool "$tool" --error-exitcode 1 "$bin" gradcheck --device cuda --quick
	done
else
	echo "compute-sanitizer is not installed: left out"
fi
"$bin" bench --device cuda
"$bin" bench --device cuda --step segmenter
"$bin" bench --device cuda --step detector
