#!/usr/bin/env bash
# Makes weights/files/segmenter.safetensors again: tools/weights/segmenter.sh LABELS MASKS RUNS, LABELS being a folder of label maps and
# MASKS one of lesion masks whose shapes are used (docs/models.md), RUNS a folder for the training runs, which are resumed if they are there.
set -euo pipefail
labels=$1 masks=$2 runs=$3
cd "$(dirname "$0")/../.."
stage() { # name, options
	bin/voxgrad train segmenter --config tools/weights/lesions.toml --labels "$labels" --shapes "$masks" --out "$runs/$1" --resume "${@:2}"
}
# Batch norm with the statistics of each batch, then with the running ones, which prediction uses.
stage segmenter_first --seed 1 --epochs 24
stage segmenter_second --seed 2 --start "$runs/segmenter_first/fold_0/checkpoint_best.safetensors" --freeze-norm --epochs 48
go run ./tools/weights half --in "$runs/segmenter_second/fold_0/checkpoint_best.safetensors" --out weights/files/segmenter.safetensors
