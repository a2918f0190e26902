#!/usr/bin/env bash
# Makes weights/files/segmenter.safetensors again: tools/weights/segmenter.sh LABELS MASKS DATA RUNS [OUT [OPTIONS]], LABELS being a folder of label
# maps, MASKS one of lesion masks whose shapes are used, DATA the folder of the real scans (docs/models.md) and RUNS a folder for the training runs, which
# are resumed if they are there. OUT is the folder to write into instead; options go to each training:
# --epochs 1 --steps 2 --valid-patches 2 tries the whole way.
set -euo pipefail
labels=$(realpath "$1") masks=$(realpath "$2") data=$(realpath "$3")
mkdir -p "$4" && runs=$(realpath "$4")
out=$(realpath -m "${5:-$(dirname "$0")/../../weights/files}")
options=("${@:6}")
cd "$(dirname "$0")/../.."
stage() { # name, config, options
	bin/voxgrad train segmenter --config "tools/weights/$2" --labels "$labels" --shapes "$masks" --out "$runs/$1" --resume "${@:3}" "${options[@]}"
}
# Batch norm with the statistics of each batch, then with the running ones, which prediction uses, and all that scanners do.
stage segmenter_first lesions.toml --seed 1 --epochs 24
VOXGRAD_LABELS_COUNT_MEAN=60 VOXGRAD_LABELS_FAINT=0.12 VOXGRAD_LABELS_BRIGHT=0.6 \
	stage segmenter_second lesions_scans.toml --seed 9 --start "$runs/segmenter_first/fold_0/checkpoint_best.safetensors" --epochs 30
# Then real scans with what is marked in them, and lesions drawn into them; none of those that it is scored on.
[ -e "$runs/scans/marked.csv" ] || go run ./tools/weights scans --data "$data" --out "$runs/scans"
stage segmenter_third lesions_scans.toml --seed 31 --start "$runs/segmenter_second/fold_0/checkpoint_best.safetensors" --scans "$runs/scans/marked.csv" --epochs 36
go run ./tools/weights half --in "$runs/segmenter_third/fold_0/checkpoint_best.safetensors" --out "$out/segmenter.safetensors"
