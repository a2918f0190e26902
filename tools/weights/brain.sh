#!/usr/bin/env bash
# Makes weights/files/brain.safetensors again: tools/weights/brain.sh LABELS RUNS [OUT [OPTIONS]], LABELS being a folder of label maps
# of whole heads (docs/models.md) and RUNS a folder for the training runs, which are resumed if they are there. Two idle cores take
# one to two hours. OUT is the file to write instead; options go to each training:
# --epochs 1 --steps 2 --valid-patches 2 tries the whole way in a minute or two.
set -euo pipefail
labels=$(realpath "$1")
mkdir -p "$2" && runs=$(realpath "$2")
out=$(realpath -m "${3:-$(dirname "$0")/../../weights/files/brain.safetensors}")
options=("${@:4}")
cd "$(dirname "$0")/../.."
stage() { # name, options
	bin/voxgrad train segmenter --config tools/weights/brain.toml --labels "$labels" --out "$runs/$1" --resume "${@:2}" "${options[@]}"
}
# Every scan is normalised by its own statistics, in training and in prediction (instance norm).
own=(--norm instance --learning-rate 1e-3 --warmup 30 --schedule polynomial --average 0.99)
stage brain --seed 1 "${own[@]}" --epochs 45
stage brain_second --seed 2 --start "$runs/brain/fold_0/checkpoint_best.safetensors" "${own[@]}" --epochs 40
# The threshold is the one of the best Dice on the scans of single_visits (docs/models.md).
go run ./tools/weights half --in "$runs/brain_second/fold_0/checkpoint_best.safetensors" --threshold 0.4 --out "$out"
