#!/usr/bin/env bash
# Makes weights/files/brain.safetensors again: tools/weights/brain.sh LABELS RUNS, LABELS being a folder of label maps of whole
# heads (docs/models.md) and RUNS a folder for the training runs, which are resumed if they are there. Two idle cores take about an hour.
set -euo pipefail
labels=$1 runs=$2
cd "$(dirname "$0")/../.."
stage() { # name, options
	bin/voxgrad train segmenter --config tools/weights/brain.toml --labels "$labels" --out "$runs/$1" --resume "${@:2}"
}
# Batch norm with the statistics of each scan, then with the running ones, which prediction uses, twice.
stage first --seed 1 --learning-rate 1e-3 --epochs 11
stage second --seed 2 --start "$runs/first/fold_0/checkpoint_final.safetensors" --freeze-norm --learning-rate 1e-3 --schedule polynomial --average 0.99 --epochs 6
stage third --seed 3 --start "$runs/second/fold_0/checkpoint_best.safetensors" --freeze-norm --learning-rate 7e-4 --schedule polynomial --average 0.99 --epochs 11
go run ./tools/weights half --in "$runs/third/fold_0/checkpoint_best.safetensors" --out weights/files/brain.safetensors
