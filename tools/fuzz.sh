#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time each, or those of the
# packages that follow: tools/fuzz.sh 20s ./volume
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-20s}
shift || true
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
cache=$(go env GOCACHE)/fuzz
grep -rlE '^func Fuzz' --include='*_test.go' "${@:-.}" | xargs -n1 dirname | sort -u | while read -r dir; do
	# Instrumented once a package, not once a target.
	go test -c -fuzz=. -o "$bin/fuzz.test" "./$dir"
	grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go | awk '{print $2}' | while read -r target; do
		echo "== $dir $target"
		(cd "$dir" && "$bin/fuzz.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" -test.fuzzcachedir "$cache/$dir" -test.parallel 2)
	done
done
