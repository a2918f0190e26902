#!/usr/bin/env bash
# Makes weights/files/detector.1.safetensors again: tools/weights/detector.sh LABELS MASKS DATA RUNS, LABELS being a folder of label
# maps, MASKS one of lesion masks whose shapes are used and DATA the folder of the real scans (docs/models.md), RUNS the folder of segmenter.sh, for the training runs, which are resumed if they are there.
set -euo pipefail
labels=$1 masks=$2 data=$3 runs=$4
cd "$(dirname "$0")/../.."
stage() { # name, config, options
	bin/voxgrad train detector --config "tools/weights/$2" --labels "$labels" --shapes "$masks" --out "$runs/$1" --resume "${@:3}"
}
# Easy pairs with the statistics of each batch, from the segmenter's encoder; then those that scanners make, with the running ones, which prediction uses.
stage detector_first detector_easy.toml --seed 3 --encoder "$runs/segmenter_first/fold_0/checkpoint_best.safetensors" --epochs 8
stage detector_second detector.toml --seed 8 --start "$runs/detector_first/fold_0/checkpoint_best.safetensors" --epochs 48
# Then real scans, with new lesions drawn into them; none of the pairs that it is scored on.
[ -e "$runs/scans/cases.csv" ] || go run ./tools/weights scans --data "$data" --out "$runs/scans"
stage detector_third detector_scans.toml --seed 23 --start "$runs/detector_second/fold_0/checkpoint_best.safetensors" --scans "$runs/scans/cases.csv" --epochs 100
# Threshold and least size are those that 'voxgrad weights choose' took for the file at hand.
go run ./tools/weights half --in "$runs/detector_third/fold_0/checkpoint_final.safetensors" --out weights/files/detector.1.safetensors --threshold 0.35 --least 20
