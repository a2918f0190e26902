#!/usr/bin/env bash
# Builds the program for every platform into dist/, with checksums and notices, and
# starts each build that this machine can start. Usage: tools/release.sh [VERSION]
#
# The same sources, Go release and version give the same bytes on any machine and in
# any folder. The build with CUDA is the exception in two ways: it needs a C compiler
# and cuda.h, whose versions are part of its bytes, and it loads the C library of the
# machine it runs on, because the GPU's driver is a shared library. All others are static.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-$(git describe --tags --always --dirty 2>/dev/null || echo unknown)}
dist=dist
rm -rf "$dist"
mkdir "$dist"

# build OS ARCH SUFFIX [go build's flags]
build() {
	local os=$1 arch=$2 file=$dist/voxgrad-$version-$1-$2$3
	shift 3
	[ "$os" != windows ] || file+=.exe
	GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=false "$@" \
		-ldflags "-s -w -X voxgrad/cmd/voxgrad/internal/cli.release=$version" -o "$file" ./cmd/voxgrad
	grep -aqF -- "$version" "$file" || { echo "$file does not hold its version"; exit 1; }
	start "$os" "$arch" "$file"
}

# start runs a build and looks at the version it prints.
start() {
	local os=$1 arch=$2 file=$3 with=()
	if [ "$os/$arch" != "$(go env GOHOSTOS)/$(go env GOHOSTARCH)" ]; then
		local qemu
		qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64 || true)
		if [ "$os/$arch" != linux/arm64 ] || [ -z "$qemu" ]; then
			echo "$file: built; not started, this machine cannot run it"
			return
		fi
		with=("$qemu")
	fi
	local said
	said=$("${with[@]}" "$file" --version)
	[ "$said" = "voxgrad $version ($(go env GOVERSION) $os/$arch)" ] || { echo "$file --version says: $said"; exit 1; }
	local out
	out=$(mktemp -d)
	"${with[@]}" "$file" phantom --out "$out" --count 1 --size 24x24x24
	rm -r "$out"
	echo "$file: built and started"
}

export CGO_ENABLED=0
build linux amd64 ""
build linux arm64 ""
build darwin arm64 ""
build windows amd64 ""
if make -s has-cuda; then
	CGO_ENABLED=1 build linux amd64 -cuda -tags cuda
else
	echo "no linux-amd64-cuda: it needs Linux on amd64 with a C compiler and cuda.h from 11.8 on"
fi
cp LICENSE THIRD_PARTY.md "$dist"
(cd "$dist" && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
