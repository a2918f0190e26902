#!/usr/bin/env bash
# Makes the bundle for hardware: a folder that run.sh in it needs nothing of Go for. Usage: tools/gpubundle/build.sh DIR
set -euo pipefail
dir=${1:?the folder to make}
cd "$(dirname "$0")/../.."
make -s has-cuda || { echo "gpu-bundle: it needs Linux on amd64 with a C compiler and cuda.h from 11.8 on"; exit 1; }
version=$(git describe --tags --always --dirty 2>/dev/null || echo unknown)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/voxgrad/cuda" "$work/voxgrad/models" "$work/shared/vectors"
export CGO_ENABLED=1
go build -trimpath -buildvcs=false -tags cuda -ldflags "-s -w -X voxgrad/cmd/voxgrad/internal/cli.release=$version" -o "$work/voxgrad/voxgrad" ./cmd/voxgrad
go build -trimpath -buildvcs=false -tags cuda -ldflags '-s -w' -o "$work/voxgrad/gpubundle" ./tools/gpubundle
go test -c -trimpath -buildvcs=false -tags cuda -ldflags '-s -w' -o "$work/voxgrad/cuda/cuda.test" ./cuda
cp -r cuda/testdata "$work/voxgrad/cuda/"
cp -r models/testdata "$work/voxgrad/models/"
if [ -d ../shared/vectors/network ]; then
	cp -r ../shared/vectors/network "$work/shared/vectors/"
else
	echo "gpu-bundle: ../shared/vectors/network is not here: the smallest recorded network is checked alone"
fi
rm -rf "$dir"
mkdir -p "$dir"
tar -czf "$dir/programs.tar.gz" -C "$work" voxgrad shared
cp tools/gpubundle/run.sh tools/gpubundle/peers.py tools/steptime/pytorch.py "$dir/"
cp tools/probe/probe.py tools/probe/*.ptx tools/probe/hopper/*.ptx "$dir/"
echo "$version" >"$dir/COMMIT"
size=$(du -sk "$dir" | cut -f 1)
[ "$size" -le $((50 * 1024)) ] || { echo "gpu-bundle: $dir has $size KiB, more than 50 MiB"; exit 1; }
echo "made $dir ($((size / 1024)) MiB): copy it to the machine, then ./run.sh"
