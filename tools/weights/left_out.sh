#!/usr/bin/env bash
# Choices of the segmenter's later stages, each patient it is trained on left out once: tools/weights/left_out.sh LABELS MASKS DATA RUNS [OPTIONS]. RUNS is the
# folder of segmenter.sh, from whose second stage, which knows label maps alone, each network goes on for 150 steps without one patient, whose whole scan is scored then;
# one of all patients is scored on the other scanner. Its folder left_out gets them, resumed if they are there. Two idle cores take half an hour.
set -euo pipefail
labels=$(realpath "$1") masks=$(realpath "$2") data=$(realpath "$3") all=$(realpath "$4")
mkdir -p "$all/left_out/scores" && runs=$all/left_out
options=("${@:5}")
cd "$(dirname "$0")/../.."
task=segmenter
. tools/weights/stages.sh
[ -e "$all/scans/marked.csv" ] || go run ./tools/weights scans --data "$data" --out "$all/scans"
cp "$all/scans/marked.csv" "$runs/thick_slices.csv"
grep '^case\|^cross_sectional' "$all/scans/cases.csv" > "$runs/cross_sectional.csv"
short() { # run, config, options: 150 steps
	stage "$1" "$2" --seed 77 --start "$all/segmenter_second/fold_0/checkpoint_best.safetensors" --epochs 3 --valid-patches 4 "${@:3}"
}
score() { # way, run, set, one patient or none: all
	local file=$runs/scores/$1/${4:-$3}.json
	mkdir -p "$(dirname "$file")"
	[ -e "$file" ] || go run ./tools/weights score --single --data "$runs/$3.csv" --only "/$4" --models "$runs/$2/fold_0/checkpoint_final.safetensors" --json "$file" --more "--patch 64x64x64 --stride 52x52x52"
}
each() { # way, config, options: one network for each patient, and one of all, for the other scanner
	short "$1" "$2" --scans "$runs/thick_slices.csv" "${@:3}"
	score "$1" "$1" cross_sectional ""
	for patient in $(tail -n +2 "$runs/thick_slices.csv" | cut -d, -f1); do
		grep -v "^$patient," "$runs/thick_slices.csv" > "$runs/without_$patient.csv"
		short "$1_$patient" "$2" --scans "$runs/without_$patient.csv" "${@:3}"
		score "$1" "$1_$patient" thick_slices "$patient"
	done
}
variant label.toml lesions_scans.toml "scan_share = 0.0"
variant real.toml lesions_scans.toml "scan_share = 1.0"
variant dice.toml lesions_scans.toml "cross_entropy = 0.0"
short label "$runs/label.toml"
score label label cross_sectional ""
score label label thick_slices ""
each both tools/weights/lesions_scans.toml
each real "$runs/real.toml"
each dice "$runs/dice.toml"
go run ./tools/weights leftout --dir "$runs/scores" --beside both --of thick_slices
