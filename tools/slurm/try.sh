#!/usr/bin/env bash
# Tries the job array on a Slurm of its own: one node, this machine, everything in a
# temporary folder. Needs slurmctld, slurmd, sbatch and munged (Debian: slurm-wlm
# and munge) and root; touches no Slurm that is set up already. The tiny pipeline
# must end with the weights, masks and scores of a run without Slurm, also where a
# task is killed and queued again.
#
#   tools/slurm/try.sh [VOXGRAD]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export VOXGRAD=${1:-$here/../../bin/voxgrad}
VOXGRAD=$(realpath "$VOXGRAD")
dir=$(mktemp -d)
pids=()
stop() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap stop EXIT

host=$(hostname -s)
port=$((20000 + RANDOM % 20000))
mkdir -p "$dir/state" "$dir/spool" "$dir/munge"
chmod 700 "$dir/munge"
head -c 1024 /dev/urandom >"$dir/munge/key"
chmod 600 "$dir/munge/key"
munged --foreground --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
	--log-file="$dir/munge/log" --seed-file="$dir/munge/seed" --num-threads=2 2>"$dir/munged.log" &
pids+=($!)

cat >"$dir/slurm.conf" <<CONF
ClusterName=scratch
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
SlurmctldPort=$port
SlurmdPort=$((port + 1))
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MinJobAge=3600
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$dir/slurm.conf
slurmctld -D -i >"$dir/slurmctld.log" 2>&1 &
pids+=($!)
slurmd -D -N "$host" >"$dir/slurmd.log" 2>&1 &
pids+=($!)

waitfor() { # what, seconds, command …
	local what=$1 end=$((SECONDS + $2))
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || {
			echo "$what: not after the time given" >&2
			tail -n 5 "$dir"/*.log >&2
			squeue --all >&2 || true
			tail -n 20 "$dir"/under/slurm/*.log >&2 || true
			exit 1
		}
		sleep 0.5
	done
}
idle() { sinfo -h -o %t | grep -q '^idle'; }
finished() { [ -z "$(squeue -h)" ]; }
waitfor "Slurm does not come up" 120 idle
sinfo

cd "$dir"
"$VOXGRAD" phantom --out phantoms --count 4 --size 32x32x32 2>/dev/null
"$VOXGRAD" pipeline --config "$here/tiny.toml" --out alone --device cpu >/dev/null 2>alone.log

last=$("$here/submit.sh" "$here/tiny.toml" "$PWD/under" 2 --cpus-per-task=1)
squeue --array -o '%.10i %.10j %.2t %E'

# The first member's detector gets the signal that comes before a time limit.
begun() { [ -e under/steps/detector.fold_0.begun.json ]; }
waitfor "the detector does not begin" 300 begun
member=$(squeue -h --array -t R -n detector -o '%i %K' | awk '$2 == 0 { print $1 }')
[ -z "$member" ] || scancel --signal=TERM "$member"
waitfor "the jobs do not come to their end" 600 finished
scontrol show job "$last" | grep -o 'JobState=[A-Z]*'
[ -n "$member" ] && grep -h 'queued again\|why="was cut off"' under/slurm/detector-*_0.log || {
	echo "the first member's detector was through before its signal came: nothing was tried" >&2
	exit 1
}
echo "member $member: $(scontrol show job "$member" | grep -o 'Restarts=[0-9]*')"

for f in segmenter/fold_0 inpainter/fold_0 generator/fold_0 detector/fold_{0,1} finetune/fold_{0,1}; do
	cmp "alone/$f/checkpoint_best.safetensors" "under/$f/checkpoint_best.safetensors"
	cmp "alone/$f/metrics.csv" "under/$f/metrics.csv"
done
for f in alone/predictions/*.nii.gz; do cmp "$f" "under/${f#alone/}"; done
cmp alone/scores.json under/scores.json
[ -s under/index.html ]
echo "the same weights, masks and scores with Slurm as without; tasks: $(ls under/slurm | wc -l)"
