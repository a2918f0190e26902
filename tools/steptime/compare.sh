#!/usr/bin/env bash
# Times one training step here and in PyTorch, in turn, so that a drift of the
# machine's speed hits both. Needs a Python with PyTorch (Debian: python3-torch).
#
#   tools/steptime/compare.sh [ROUNDS] [options of both programs]
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-3}
shift || true
PYTHON=${PYTHON:-/usr/bin/python3}
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/steptime" ./tools/steptime
for _ in $(seq "$rounds"); do
	"$bin/steptime" "$@"
	"$PYTHON" tools/steptime/pytorch_step.py "$@"
done
