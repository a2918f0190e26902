#!/usr/bin/env bash
# Makes the bundle and runs it whole on a libcuda.so.1 whose kernels compute nothing (cuda/gpu/testdata/fake.c): what needs real
# hardware must say so, all else must give results, in sizes that take a moment.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tools/gpubundle/build.sh "$work/bundle"
cc -shared -fPIC -O1 -o "$work/libcuda.so.1" cuda/gpu/testdata/fake.c
cd "$work/bundle"
run() { LD_LIBRARY_PATH=$work ./run.sh "$@"; }
results=$work/results/results.jsonl
fail() {
	echo "try.sh: $*"
	[ ! -e "$results" ] || tail -n 20 "$results"
	exit 1
}
# has TIMES PATTERN [FILE]: so many results are like that.
has() { [ "$(grep -cE "$2" "${3:-$results}")" = "$1" ] || fail "not $1 of $2"; }

run --out "$work/results"
for part in device warm steps launches losses; do has 1 "^.\"part\":\"$part\",\"state\":\"done\""; done
for part in conformance probe gradcheck bits recorded inference sanitizer; do has 1 "^.\"part\":\"$part\",\"state\":\"skipped\".*needs real hardware"; done
has 0 '"failed"'
has 6 '"part":"steps".*"seconds":.*"who":"voxgrad (bf16|tf32|fp32)"'
has 6 '"part":"launches".*"summary":true'
has 3 '"losses":.*"part":"losses","who":"voxgrad (fp32|bf16|tf32)"'
# That driver's clock counts kernels, a quarter of a millisecond each; it is no card that there are constants of.
[ "$(grep -c '"kernel":' "$results")" -gt 300 ] || fail "too few launches"
has "$(grep -c '"kernel":' "$results")" '"kernel":.*"measured_s":0.00025,"predicted_s":null'
for line in 'Fake GPU, compute capability 8.6, driver for CUDA 12.4; commit' 'voxgrad bf16' 'segmenter, fp32: [0-9]+ ' 'conv_' 'conformance . skipped'; do
	grep -qE "$line" "$work/results/tables.md" || fail "no $line in tables.md"
done

# What is refused, before anything is done.
refused() {
	local says=$1
	shift
	if "$@" >"$work/said" 2>&1; then fail "$* was not refused"; fi
	grep -qF -- "$says" "$work/said" || { cat "$work/said"; fail "$* does not say: $says"; }
}
refused "there is no part nonsense; there are device warm conformance" run --only nonsense
refused "holds the results of another run" run --out "$work/results"
refused "there is no --fast" run --fast
refused "want whole seconds" run --limit 1.5
FAKE_FAIL=cuInit=100 refused "no GPU can be used" run --out "$work/none"

# One part, which does not end by itself.
printf '#!/bin/sh\necho "{\\"part\\":\\"steps\\",\\"what\\":\\"begun\\"}"\nsleep 60\n' >"$work/slow"
chmod +x "$work/slow"
PYTHON=$work/slow run --out "$work/one" --only steps --limit 2
has 1 '"state":"timed out".*after 2 s' "$work/one/results.jsonl"
has 1 '"what":"begun"' "$work/one/results.jsonl"
has 2 '"state"' "$work/one/results.jsonl"
echo "try.sh: the bundle does what it should"
