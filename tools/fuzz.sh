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

# ended_in_time reports whether a failure is nothing but the end of the given time: before 1.27 Go calls that one now
# and then (golang/go#75804), without an input that fails. What an input does wrong comes with that input, written down.
ended_in_time() {
	[ "$(grep -A1 -e '--- FAIL' "$1" | sed 's/ (.*//')" = "$(printf -- '--- FAIL: %s\n    context deadline exceeded' "$target")" ] &&
		! grep -qE 'Failing input written|panic' "$1" && echo "the time was over while an input ran: not a fault"
}

grep -rlE '^func Fuzz' --include='*_test.go' "${@:-.}" | xargs -n1 dirname | sort -u | while read -r dir; do
	# Instrumented once a package, not once a target.
	go test -c -fuzz=. -o "$bin/fuzz.test" "./$dir"
	grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go | awk '{print $2}' | while read -r target; do
		echo "== $dir $target"
		(cd "$dir" && "$bin/fuzz.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" -test.fuzzcachedir "$cache/$dir" -test.parallel 2) 2>&1 |
			tee "$bin/log" || ended_in_time "$bin/log"
	done
done
