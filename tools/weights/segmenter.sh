#!/usr/bin/env bash
# Makes weights/files/segmenter.safetensors again: tools/weights/segmenter.sh LABELS MASKS DATA RUNS [OUT [OPTIONS]], LABELS being a folder of label
# maps, MASKS one of lesion masks whose shapes are used, DATA the folder of the real scans (docs/models.md) and RUNS a folder for the training runs, which
# are resumed if they are there. Two idle cores take two hours. OUT is the folder to write into instead; options go to each training:
# --epochs 1 --steps 2 --valid-patches 2 tries the whole way.
set -euo pipefail
labels=$(realpath "$1") masks=$(realpath "$2") data=$(realpath "$3")
mkdir -p "$4" && runs=$(realpath "$4")
out=$(realpath -m "${5:-$(dirname "$0")/../../weights/files}")
options=("${@:6}")
cd "$(dirname "$0")/../.."
task=segmenter
. tools/weights/stages.sh
# Batch norm with the statistics of each batch, then with the running ones, which prediction uses, and all that scanners do.
first
variant segmenter_second.toml lesions_scans.toml "count_mean = 60.0" "faint = 0.12" "bright = 0.6"
stage segmenter_second "$runs/segmenter_second.toml" --seed 9 --start "$runs/segmenter_first/fold_0/checkpoint_best.safetensors" --epochs 30
# Then real scans with what is marked in them, and lesions drawn into them, of one scanner, and larger patches, fainter lesions and more confluent ones.
[ -e "$runs/scans/marked.csv" ] || go run ./tools/weights scans --data "$data" --out "$runs/scans"
stage segmenter_third tools/weights/lesions_scans.toml --seed 31 --start "$runs/segmenter_second/fold_0/checkpoint_best.safetensors" --scans "$runs/scans/marked.csv" --epochs 36
variant segmenter_fourth.toml lesions_scans.toml "faint = 0.12" "bright = 0.7" "confluent = 0.35" "confluent_mm = 18.0"
stage segmenter_fourth "$runs/segmenter_fourth.toml" --seed 51 --start "$runs/segmenter_third/fold_0/checkpoint_best.safetensors" --scans "$runs/scans/marked.csv" \
	--patch 48x48x48 --learning-rate 1e-3 --epochs 90
# At last each sample is normalised by its own statistics; the scores of another scanner's scans rose most in this stage.
stage segmenter_fifth "$runs/segmenter_fourth.toml" --seed 51 --start "$runs/segmenter_fourth/fold_0/checkpoint_best.safetensors" --scans "$runs/scans/marked.csv" \
	--patch 48x48x48 --learning-rate 1e-3 --norm instance --freeze-norm=false --steps 100 --epochs 100
go run ./tools/weights half --in "$runs/segmenter_fifth/fold_0/checkpoint_best.safetensors" --stride 32x32x32 --out "$out/segmenter.safetensors"
