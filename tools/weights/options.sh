#!/usr/bin/env bash
# Short trainings that differ in one option each, most of them of the segmenter from label maps (the first stage of segmenter.sh on smaller patches), for the
# tables of docs/results/builtin.md: tools/weights/options.sh LABELS MASKS DATA RUNS [OPTIONS]. RUNS is the folder of segmenter.sh; its folder options gets a run each,
# resumed if it is there, options.csv, and scores of real scans as JSON.
set -euo pipefail
labels=$(realpath "$1") masks=$(realpath "$2") data=$(realpath "$3") all=$(realpath "$4")
mkdir -p "$all/options" && runs=$all/options
options=("${@:5}")
cd "$(dirname "$0")/../.."
task=segmenter
. tools/weights/stages.sh
echo "option,steps,train_dice,valid_dice,best_valid_dice,median_step_s" > "$runs/options.csv"
try() { # name, options: 400 steps with them; Dice of training and validation is the mean of the last three epochs
	stage "$1" tools/weights/lesions.toml --seed 71 --patch 32x32x32 --schedule constant --average 0 --epochs 8 "${@:2}"
	awk -F, -v name="$1" -v summary="$(tr -d '\n ' < "$runs/$1/fold_0/summary.json")" '
		NR > 1 { train[NR] = $5; valid[NR] = $8; if ($8 > best) best = $8 }
		END { match(summary, /"median_step_seconds":[0-9.]+/); s = substr(summary, RSTART, RLENGTH); sub(/.*:/, "", s)
			for (i = NR - 2; i <= NR; i++) { t += train[i] / 3; v += valid[i] / 3 }
			printf "%s,%s,%.3f,%.3f,%.3f,%s\n", name, $2, t, v, best, s }' "$runs/$1/fold_0/metrics.csv" >> "$runs/options.csv"
}
try none
try average --average 0.99
try polynomial --schedule polynomial
try cosine --schedule cosine --warmup 40
try decay --weight-decay 0.01
try clip --clip-norm 1
try instance --norm instance
try all --schedule polynomial --average 0.99 --clip-norm 1
try instance_all --norm instance --schedule polynomial --average 0.99 --clip-norm 1
try instance_12 --norm instance --schedule polynomial --average 0.99 --clip-norm 1 --width 12
try instance_16 --norm instance --schedule polynomial --average 0.99 --clip-norm 1 --width 16
try frozen_last --start "$runs/none/fold_0/checkpoint_last.safetensors" --freeze-norm --epochs 4
# The paper's frozen encoder beside one that is trained on: the first stage of detector.sh.
task=detector
for frozen in true false; do
	stage "encoder_frozen_$frozen" tools/weights/detector_easy.toml --seed 73 --encoder "$all/segmenter_first/fold_0/checkpoint_best.safetensors" --epochs 8 "--freeze-encoder=$frozen"
done
# Patches of a data set turned, stretched and bent, or with other contrast: a third of the marked patients left out at a time, whose whole scans are scored.
[ -e "$all/scans/cases.csv" ] || go run ./tools/weights scans --data "$data" --out "$all/scans"
[ -e "$all/scans/every.csv" ] || grep -v '^single_visits' "$all/scans/cases.csv" > "$all/scans/every.csv"
echo "option,fold,dice,lesion_f1" > "$runs/folds.csv"
for change in none space gamma; do
	cp tools/weights/lesions_scans.toml "$runs/data_$change.toml"
	[ $change = none ] || printf '[augmentation.%s]\np = 0.5\n' $change >> "$runs/data_$change.toml"
	for fold in 0 1 2; do
		bin/voxgrad train segmenter --config "$runs/data_$change.toml" --data "$all/scans/every.csv" --folds 3 --fold $fold --seed 74 --patch 32x32x32 --epochs 3 --full-every 3 \
			--start "$all/segmenter_second/fold_0/checkpoint_best.safetensors" --out "$runs/data_$change" --resume "${options[@]}"
		tail -n 1 "$runs/data_$change/fold_$fold/metrics.csv" | awk -F, -v of=$change,$fold '{ print of "," $9 "," $10 }' >> "$runs/folds.csv"
	done
done
# Detectors that go on from the one in the box: norms frozen or of each sample; on one real pair, the other left out. Then the mean over mirrored inputs.
box=weights/files/detector.1.safetensors
score() { # name, models, options
	go run ./tools/weights score --data "$data" --models "$2" --json "$runs/$1.json" "${@:3}"
}
for norm in batch instance; do
	stage "detector_$norm" tools/weights/detector_scans.toml --seed 75 --start $box --scans "$all/scans/cases.csv" --epochs 8 --norm $norm "--freeze-norm=$([ $norm = batch ] && echo true || echo false)"
	score "detector_$norm" "$runs/detector_$norm/fold_0/checkpoint_final.safetensors"
done
long=$data/longitudinal
{
	echo case,time1,time2,mask,brainmask
	for p in patient01 patient03; do echo "$p,$long/$p/flair_time01.nii.gz,$long/$p/flair_time02.nii.gz,$long/$p/new_lesions.nii.gz,$long/$p/brainmask.nii.gz"; done
} > "$runs/pairs.csv"
for fold in 0 1; do
	bin/voxgrad train detector --config tools/weights/detector_scans.toml --data "$runs/pairs.csv" --folds 2 --fold $fold --seed 76 --learning-rate 1e-4 --epochs 4 --start $box --out "$runs/tuned" --resume "${options[@]}"
	score tuned_$fold "$runs/tuned/fold_$fold/checkpoint_final.safetensors"
done
score mirrored $box --more --mirror
score straight $box
score mirrored_segmenter weights/files/segmenter.safetensors --single --more --mirror
