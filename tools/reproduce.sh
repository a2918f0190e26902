#!/usr/bin/env bash
# Builds the program twice, the second time in another folder, for another home, with
# another module cache and nothing compiled before, and compares the bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
other=$(mktemp -d)
trap 'chmod -R u+w "$other"; rm -rf "$other"' EXIT

build() { CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$1" ./cmd/voxgrad; }
build "$other/here"
mkdir -p "$other/a home/checkout"
git ls-files -z | xargs -0 cp --parents -t "$other/a home/checkout"
modules=$(go env GOMODCACHE)
(
	cd "$other/a home/checkout"
	export HOME="$other/a home" GOCACHE="$other/a home/cache" GOMODCACHE="$other/a home/modules"
	export GOPROXY="file://$modules/cache/download" GOSUMDB=off GOFLAGS=
	build "$other/there"
)
cmp "$other/here" "$other/there"
if grep -aqF -e "$PWD" -e "$modules" "$other/here"; then
	echo "the program holds a path of this machine"
	exit 1
fi
sha256sum <"$other/here"
