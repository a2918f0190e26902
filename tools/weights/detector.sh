#!/usr/bin/env bash
# Makes weights/files/detector.N.safetensors again, a member of the ensemble: tools/weights/detector.sh LABELS MASKS RUNS N, LABELS being a folder of label
# maps and MASKS one of lesion masks whose shapes are used (docs/models.md), RUNS a folder for the training runs, which are resumed if they are there.
set -euo pipefail
labels=$1 masks=$2 runs=$3 n=$4
cd "$(dirname "$0")/../.."
stage() { # name, options
	bin/voxgrad train detector --config tools/weights/detector.toml --labels "$labels" --shapes "$masks" --out "$runs/detector_$n/$1" --resume "${@:2}"
}
# Batch norm with the statistics of each batch, then with the running ones, which prediction uses.
stage first --seed "$n" --epochs 24
stage second --seed "$((n + 100))" --start "$runs/detector_$n/first/fold_0/checkpoint_best.safetensors" --freeze-norm --epochs 48
go run ./tools/weights half --in "$runs/detector_$n/second/fold_0/checkpoint_best.safetensors" --out "weights/files/detector.$n.safetensors"
