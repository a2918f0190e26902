#!/usr/bin/env bash
# Makes weights/files/detector.*.safetensors again, an ensemble of two: tools/weights/detector.sh LABELS MASKS DATA RUNS [OUT [OPTIONS]], LABELS being a
# folder of label maps, MASKS one of lesion masks whose shapes are used, DATA the folder of the real scans (docs/models.md) and RUNS a folder for the
# training runs, which are resumed if they are there (the first is segmenter.sh's too). Two idle cores take one to two hours. OUT is the folder to write into instead; options go to each training:
# --epochs 1 --steps 2 --valid-patches 2 tries the whole way.
set -euo pipefail
labels=$(realpath "$1") masks=$(realpath "$2") data=$(realpath "$3")
mkdir -p "$4" && runs=$(realpath "$4")
out=$(realpath -m "${5:-$(dirname "$0")/../../weights/files}")
options=("${@:6}")
cd "$(dirname "$0")/../.."
task=detector
. tools/weights/stages.sh
first
# Easy pairs with the statistics of each batch, from the segmenter's encoder; then those that scanners make, with the running ones, which prediction uses.
stage detector_first tools/weights/detector_easy.toml --seed 3 --encoder "$runs/segmenter_first/fold_0/checkpoint_best.safetensors" --epochs 8
stage detector_second tools/weights/detector.toml --seed 8 --start "$runs/detector_first/fold_0/checkpoint_best.safetensors" --epochs 48
# Then real scans, with new lesions drawn into them; none of the pairs that it is scored on. The members part after the third stage.
[ -e "$runs/scans/cases.csv" ] || go run ./tools/weights scans --data "$data" --out "$runs/scans"
stage detector_third tools/weights/detector_scans.toml --seed 22 --start "$runs/detector_second/fold_0/checkpoint_best.safetensors" --scans "$runs/scans/cases.csv" --epochs 54
member() { # number, config, options
	stage "detector_member_$1" "$2" --start "$runs/detector_third/fold_0/checkpoint_final.safetensors" --scans "$runs/scans/cases.csv" --epochs 34 "${@:3}"
	# Threshold and least size are those that 'voxgrad weights choose' took for members before these; what it takes for these is in docs/results/builtin.md.
	go run ./tools/weights half --in "$runs/detector_member_$1/fold_0/checkpoint_final.safetensors" --out "$out/detector.$1.safetensors" --threshold 0.35 --least 20 --stride 28x28x28
}
member 1 tools/weights/detector_scans.toml --seed 23
variant detector_member_2.toml detector_scans.toml "scan_share = 0.7" "faint = 0.15"
member 2 "$runs/detector_member_2.toml" --seed 41
