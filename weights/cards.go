package weights

// Cards are those of the built-in networks, by name. A test holds them against docs/models.md and the results.
var Cards = map[string]Card{
	Brain: {
		For:       "the brain in a scan with skull",
		TrainedOn: "scans drawn from 16 label maps of heads; no person's scan",
		Scores:    "Dice 0.962 on 4 real scans, 0.939 on 5 of another scanner",
	},
	Segmenter: {
		For:       "all lesions of a FLAIR scan",
		TrainedOn: "scans drawn from label maps and lesion shapes, 9 real scans of one scanner with what is marked in them",
		Scores:    "three real scans left out, two of another scanner: mean Dice 0.556, lesion F1 0.424",
	},
	Detector: {
		For:       "new lesions between two FLAIR scans",
		TrainedOn: "pairs drawn from label maps and lesion shapes, 14 real scans of one visit with lesions drawn into them",
		Scores:    "two real pairs: mean Dice 0.631, lesion F1 0.513, 6 of 10 lesions found",
	},
}
