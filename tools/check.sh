#!/usr/bin/env bash
# Everything that must hold before a change lands, the quick checks first.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "gofmt"
files=$(gofmt -l $(git ls-files '*.go'))
[ -z "$files" ] || { echo "not formatted (run gofmt -w):"; echo "$files"; exit 1; }

step "go mod tidy"
go mod tidy -diff

step "go vet"
go vet ./...
go vet -tags purego ./...

if command -v golangci-lint >/dev/null; then
	step "golangci-lint"
	golangci-lint run
else
	echo "golangci-lint is not installed: skipped"
fi

step "third-party notices are current"
go run ./tools/notices | diff -u THIRD_PARTY.md - || { echo "run make notices"; exit 1; }

step "build"
make --no-print-directory build
bin/voxgrad --version

step "tests"
go test -timeout 30m ./...

step "tests of the pure-Go kernels"
go test -tags purego -timeout 30m ./device/... ./models/...

step "race detector"
CGO_ENABLED=1 go test -race -short -timeout 30m ./internal/... ./autograd/... ./train/...

step "the commands of the README on a small scale"
./tools/smoke.sh

echo
echo "check: all passed"
