package metrics

// Voxel holds the measures that count voxels, over the complete masks. With I
// voxels in both, N(·) voxels in one, TN in neither, FP = N(pred) − I and
// FN = N(truth) − I.
//
// Where truth and pred have the same number of labels, and more than one besides
// the background, I and N are summed over the labels, and FP in Specificity and FN
// in NPV are divided by the number of labels, as the challenge's tool does.
type Voxel struct {
	Jaccard             float64 // I / (N(truth) + N(pred) − I)
	Dice                float64 // 2I / (N(truth) + N(pred))
	Sensitivity         float64 // I / (I + FN)
	Specificity         float64 // TN / (TN + FP)
	PPV                 float64 // I / (I + FP); NaN where pred is empty
	NPV                 float64 // TN / (TN + FN)
	RelativeVolumeError float64 // 100 (N(pred) − N(truth)) / N(truth), in percent, signed
}

func voxelMeasures(truth, pred *labelled) *Voxel {
	var both, neither, nTruth, nPred int
	for x, t := range truth.labels {
		p := pred.labels[x]
		if t|p == 0 {
			neither++
			continue
		}
		if t == p {
			both++
		}
		if t != 0 {
			nTruth++
		}
		if p != 0 {
			nPred++
		}
	}
	kinds := float64(truth.values - 1)
	i, t, p, tn := float64(both), float64(nTruth), float64(nPred), float64(neither)
	return &Voxel{
		Jaccard:             i / (t + p - i),
		Dice:                2 * i / (t + p),
		Sensitivity:         i / t,
		Specificity:         tn / (tn + (p-i)/kinds),
		PPV:                 i / p,
		NPV:                 tn / (tn + (t-i)/kinds),
		RelativeVolumeError: 100 * (p - t) / t,
	}
}
