#!/usr/bin/env bash
# Checks and measures this program on a GPU, on a machine with NVIDIA's driver and no Go: everything in under 8 minutes, the
# parts in order of worth, each with its own time limit. PyTorch's steps need a python3 with PyTorch (PYTHON=… names one).
#
#   ./run.sh [--out DIR] [--only PART] [--limit S]
#
# --limit is the most seconds that any part may take.
# DIR (results) gets results.jsonl, a line for each result as it comes; tables.md, the same as tables, written anew after
# each part; and a log of each part.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
parts=(device warm conformance steps launches probe losses gradcheck bits recorded inference sanitizer)
declare -A limit=([device]=20 [warm]=45 [conformance]=80 [steps]=130 [launches]=40 [probe]=30 [losses]=30 [gradcheck]=25 [bits]=25 [recorded]=20 [inference]=50 [sanitizer]=60)
total=465 # seconds, for all parts
out=results only= most=$total
while [ $# -gt 0 ]; do
	case $1 in
	--out) out=${2:?--out wants a folder}; shift 2 ;;
	--only) only=${2:?--only wants a part}; shift 2 ;;
	--limit) most=${2:?--limit wants seconds}; shift 2 ;;
	*) echo "run.sh: there is no $1; usage: ./run.sh [--out DIR] [--only PART] [--limit S]" >&2; exit 2 ;;
	esac
done
[[ $most =~ ^[1-9][0-9]*$ ]] || { echo "run.sh: --limit $most: want whole seconds from 1" >&2; exit 2; }
if [ -n "$only" ] && [[ " ${parts[*]} " != *" $only "* ]]; then
	echo "run.sh: there is no part $only; there are ${parts[*]}" >&2
	exit 2
fi
if [ -e "$out/results.jsonl" ]; then
	echo "run.sh: $out holds the results of another run; name another folder with --out" >&2
	exit 2
fi
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
begin=$(date +%s)
tar -xzf "$here/programs.tar.gz" -C "$work" || exit 1
export CUDA_CACHE_PATH=$work/cache CUDA_CACHE_MAXSIZE=1073741824 # what the driver assembles
export PATH=$PATH:/usr/local/cuda/bin # compute-sanitizer
python=${PYTHON:-python3}
program=$work/voxgrad/gpubundle
failed=0

# json prints a string as JSON has it.
json() { printf '"%s"' "$(printf %s "$1" | tr '\n\t' '  ' | tr -d '\000-\037' | sed 's/[\\"]/\\&/g')"; }

# ended notes how a part went: PART STATE SECONDS WHY.
ended() {
	printf '{"part":"%s","state":"%s","took_s":%s,"why":%s}\n' "$1" "$2" "$3" "$(json "$4")" >>"$out/results.jsonl"
	printf '%-12s %-9s %4s s  %s\n' "$1" "$2" "$3" "$4"
	"$program" tables "$out/results.jsonl" >"$work/tables.md" && cp "$work/tables.md" "$out/tables.md"
}

# why_not tells why a part cannot be had here; nothing if it can.
why_not() {
	case $1 in
	conformance | gradcheck | bits | recorded | inference | sanitizer | probe)
		[ "$computes" = true ] || { echo "needs real hardware: kernels of this libcuda.so.1 compute nothing"; return; } ;;
	esac
	case $1 in
	sanitizer) command -v compute-sanitizer >/dev/null || echo "compute-sanitizer is not installed" ;;
	probe | steps | losses) command -v "$python" >/dev/null || echo "$python is not installed" ;;
	esac
}

# The parts. What they print on the standard output are results.
tests() { cd "$work/voxgrad/cuda" && ./cuda.test -test.count=1 -test.run "$1" -test.v >&2; }
part_device() { "$program" device | sed "s/^{/{\"commit\":$(json "$(cat "$here/COMMIT")"),\"when\":\"$(date -u +%FT%TZ)\",/"; }
part_warm() { "$program" warm; }
part_conformance() { tests '^TestGPU(Conformance|TensorCores)$'; }
part_bits() { tests '^TestGPU(SameBits|Graph)$'; }
part_recorded() { tests '^TestGPU(RecordedNetworks|TenSteps)$'; }
part_gradcheck() { "$work/voxgrad/voxgrad" gradcheck --device cuda >&2; }
part_steps() { "$python" "$here/peers.py" steps --program "$program" --until "$until" $small; }
part_losses() { "$python" "$here/peers.py" losses --program "$program" --until "$until" $small; }
part_probe() { "$python" "$here/probe.py"; }
part_launches() {
	local model precision
	for model in segmenter detector; do
		for precision in bf16 fp32 tf32; do
			"$program" launches -model $model -precision $precision $sizes || return
		done
	done
}
part_inference() {
	cd "$work" || return
	local v=voxgrad/voxgrad models="" i start
	"$v" phantom --out pair --count 1 --size 181x217x181 >&2 || return
	for i in 1 2 3 4 5; do
		"$program" weights -model detector -seed $i -out member$i.safetensors || return
		models+=" --model member$i.safetensors"
	done
	local scans=(pair/*/flair_time0*_on_middle_space.nii.gz) precision
	for precision in bf16 fp32; do
		start=$(date +%s.%N)
		"$v" predict$models --time1 "${scans[0]}" --time2 "${scans[1]}" --brainmask "$(dirname "${scans[0]}")/brain_mask.nii.gz" \
			--threshold 0.999 --out new-$precision.nii.gz --device cuda --precision $precision >&2 || return
		printf '{"part":"inference","what":"a pair of 181×217×181 voxels by five detectors of width 24, %s, files to files","value":%s,"unit":"s"}\n' \
			$precision "$(awk "BEGIN { print $(date +%s.%N) - $start }")"
	done
}
part_sanitizer() {
	local tool
	for tool in memcheck racecheck; do
		compute-sanitizer --tool $tool --error-exitcode 1 "$work/voxgrad/voxgrad" gradcheck --device cuda --quick >&2 || return
	done
}

# run_part runs one within its limit and what is left of all.
run_part() {
	local part=$1 left=$((total - ($(date +%s) - begin))) why start code
	why=$(why_not "$part")
	[ -z "$why" ] || { ended "$part" skipped 0 "$why"; return; }
	[ $left -ge 5 ] || { ended "$part" skipped 0 "no time is left"; return; }
	local allowed=$((limit[$part] < left ? limit[$part] : left))
	allowed=$((most < allowed ? most : allowed))
	start=$(date +%s)
	until=$((start + allowed))
	: >"$work/$part"
	export until
	(
		set -m
		"part_$part" >"$work/$part" 2>"$out/$part.log" &
		job=$!
		( sleep $allowed; kill -TERM -- -$job 2>/dev/null; sleep 3; kill -KILL -- -$job 2>/dev/null ) &
		guard=$!
		# Results as they come.
		tail -n +1 -s 0.5 -f --pid=$job "$work/$part" >>"$out/results.jsonl"
		wait $job
		code=$?
		kill -TERM -- -$guard 2>/dev/null
		exit $code
	) 2>/dev/null
	code=$?
	local took=$(($(date +%s) - start))
	if [ $code = 0 ]; then
		ended "$part" done $took ""
	elif [ $took -ge $allowed ]; then
		ended "$part" "timed out" $took "after $allowed s; $part.log has what it had done"
	else
		failed=1
		ended "$part" failed $took "$(grep -m 1 -E 'panic:|^SIG|--- FAIL|rror' "$out/$part.log" || tail -n 1 "$out/$part.log")"
	fi
}

device=$("$program" device 2>&1) || { echo "run.sh: no GPU can be used: $device" >&2; exit 1; }
case $device in *'"computes":true'*) computes=true small='' sizes='' ;; *) computes=false small=--small sizes='-width 1 -patch 16' ;; esac
for part in "${parts[@]}"; do
	if [ -z "$only" ] || [ "$part" = "$only" ] || [ "$part" = device ]; then
		run_part "$part"
	fi
done
echo "results in $out, after $(($(date +%s) - begin)) s"
exit $failed
