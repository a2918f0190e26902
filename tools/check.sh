#!/usr/bin/env bash
# Everything that must hold before a change lands, the quick checks first.
set -euo pipefail
cd "$(dirname "$0")/.."
start=$SECONDS
skipped=()

# step starts a step, and says how long the one before it took.
step() {
	[ -z "${now:-}" ] || printf -- '-- %d s\n' $((SECONDS - began))
	now=$* began=$SECONDS
	printf '\n== %s (after %d s)\n' "$*" $((SECONDS - start))
}
skip() {
	printf '\n-- left out: %s\n' "$*"
	skipped+=("$*")
}
have() { command -v "$1" >/dev/null; }

step "gofmt"
files=$(gofmt -l $(git ls-files '*.go'))
[ -z "$files" ] || { echo "not formatted (run gofmt -w):"; echo "$files"; exit 1; }

step "go mod tidy"
go mod tidy -diff

step "go vet"
go vet ./...
go vet -tags purego ./...

if have golangci-lint; then
	step "golangci-lint"
	golangci-lint run
else
	skip "golangci-lint is not installed"
fi

step "third-party notices are current"
go run ./tools/notices | diff -u THIRD_PARTY.md - || { echo "run make notices"; exit 1; }

step "build"
make --no-print-directory build
bin/voxgrad --version

if have nvcc && have ptxas; then
	step "PTX is current and assembles"
	make --no-print-directory ptx-check
else
	skip "nvcc and ptxas are not installed: the committed PTX is taken as it is"
fi

step "the same program in any folder"
./tools/reproduce.sh

step "tests"
go test -timeout 40m ./...

step "tests of the pure-Go kernels"
go test -tags purego -timeout 20m ./device/cpu

if have qemu-aarch64-static; then
	step "a part of them on arm64, emulated"
	GOARCH=arm64 CGO_ENABLED=0 go test -exec qemu-aarch64-static -timeout 20m ./device/cpu \
		-run 'Planted|CompositeStatistics|NaN|Name|Normals|Exponential|TestConformance/default/(Conv|CatConv|BatchNorm|MaxPool|Upsample|ReLU|Dice|Softmax|Adam)[A-Za-z]*/[12]x[1-6]x[1-6]x[1-6]/'
else
	skip "qemu-aarch64-static is not installed: nothing runs as on arm64"
fi

step "examples, as a user runs them"
for example in "unet3d" "unet3d -emu -steps 2" customop nnunet "nnunet -emu"; do
	# shellcheck disable=SC2086
	go run ./examples/$example
done

if have cc && [ -e "${CUDA_INCLUDE:-/usr/include}/cuda.h" ]; then
	step "the build with CUDA"
	CGO_ENABLED=1 go vet -tags cuda ./cuda/... ./cmd/...
	CGO_ENABLED=1 go test -tags cuda -timeout 10m ./cuda/gpu/...
	CGO_ENABLED=1 go test -race -tags cuda -timeout 10m ./cuda/gpu/...
	step "the bundle for hardware, on a driver that computes nothing"
	CGO_ENABLED=1 go vet -tags cuda ./tools/gpubundle
	CGO_ENABLED=1 go test -tags cuda ./tools/gpubundle
	if have python3; then ./tools/gpubundle/try.sh; else skip "python3 is not installed: the bundle is not tried"; fi
else
	skip "cc or cuda.h is not installed: the build with CUDA is not tried"
fi

if have cc; then
	step "race detector"
	race() { CGO_ENABLED=1 go test -race -short -timeout 20m "$@"; }
	race ./internal/... ./train/sample ./train/dataset ./train/tensorboard
	race ./cuda/driver ./cuda/ptx ./cuda/emu ./cuda/kernels ./cuda/memplan ./cuda/peak ./examples/customop
	race ./report/view ./cmd/voxgrad/internal/cli ./cmd/voxgrad/internal/view ./cmd/voxgrad/internal/train ./cmd/voxgrad/internal/evaluate
	# Of the backend what goroutines, launches, memory and failures have to do with, and a few operations whole: all of the
	# table takes an hour so, and the emulator's own tests run its blocks side by side.
	race -run 'Goroutines|Launch|Module|Late|Emulator|AdamKeeps|Close|MemoryLimit|OutOf|PoolReuses|Workspace|AllocOn' ./cuda
	race -run 'TestConformance$/(ReLUGrad|Softmax|NonFinite|MaxPool)' ./cuda
	race ./cmd/voxgrad/internal/{augment,bench,cli,compare,data,demo,devices,evaluate}
else
	skip "cc is not installed: no race detector"
fi

step "fuzz targets, briefly"
./tools/fuzz.sh "${FUZZTIME:-2s}"

step "releases"
./tools/release.sh

step "gradcheck and demo, as a user runs them"
bin/voxgrad gradcheck --quick --device cpu
bin/voxgrad gradcheck --quick --device emu
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
bin/voxgrad demo --quick --out "$out/demo"

echo
for s in "${skipped[@]:-}"; do [ -z "$s" ] || echo "left out: $s"; done
echo "check: all passed in $((SECONDS - start)) s"
