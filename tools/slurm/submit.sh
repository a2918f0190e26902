#!/usr/bin/env bash
# Submits a pipeline to Slurm: segmenter, inpainter and generator side by side, then
# one detector per member, each fine-tuned as soon as it is through, then ensemble,
# scores and report. Prints the number of the last job.
#
#   tools/slurm/submit.sh CONFIG OUT MEMBERS [sbatch options, for example --gres=gpu:1]
set -euo pipefail
if [ $# -lt 3 ]; then
	sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
export VOXGRAD=${VOXGRAD:-$(command -v voxgrad || echo "$here/../../bin/voxgrad")}
export CONFIG=$1 OUT=$2
stop() {
	echo "submit.sh: $1" >&2
	exit 1
}
[ -r "$CONFIG" ] || stop "cannot read the configuration $CONFIG"
[[ $3 =~ ^[1-9][0-9]*$ ]] || stop "MEMBERS is $3: want the configuration's number of members"
[ -x "$VOXGRAD" ] || stop "no program $VOXGRAD: run make build, or name it in VOXGRAD"
last=$(($3 - 1))
shift 3
mkdir -p "$OUT/slurm"

submit() { # name, dependency, array, stages …
	local name=$1 after=$2 array=$3
	shift 3
	sbatch --parsable --kill-on-invalid-dep=yes --job-name="$name" --output="$OUT/slurm/%x-%A_%a.log" \
		${after:+--dependency="$after"} ${array:+--array="$array"} "${options[@]}" "$here/step.sbatch" "$@"
}
options=("$@")

shared=$(submit shared "" 0-2 segmenter inpainter generator)
detector=$(submit detector "afterok:$shared" "0-$last" detector)
finetune=$(submit finetune "aftercorr:$detector" "0-$last" finetune)
submit rest "afterok:$finetune" ""
