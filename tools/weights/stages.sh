# Read by segmenter.sh and detector.sh, which set task, labels, masks, runs and options.
# shellcheck shell=bash disable=SC2154
stage() { # name, config, options: one training of $task
	bin/voxgrad train "$task" --config "$2" --labels "$labels" --shapes "$masks" --out "$runs/$1" --resume "${@:3}" "${options[@]}"
}
first() { # the stage that both begin with: lesions drawn into label maps, with the statistics of each batch
	task=segmenter stage segmenter_first tools/weights/lesions.toml --seed 1 --epochs 24
}
variant() { # file, config, lines with other values: one configuration of another
	cp "tools/weights/$2" "$runs/$1"
	for line in "${@:3}"; do
		grep -q "^${line%% *} = " "$runs/$1" || { echo "$2 has no ${line%% *}"; exit 1; }
		sed -i "s/^${line%% *} = .*/$line/" "$runs/$1"
	done
}
