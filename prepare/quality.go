package prepare

import (
	"fmt"
	"math"
	"slices"

	"voxgrad/prepare/atlas"
	"voxgrad/volume"
)

// Bounds between good and failed registrations; docs/results/prepare.md has the measurements
// they are from.
const (
	// Local correlation of two scans: of one head 0.95 and more, of two heads up to 0.53.
	sameHead = 0.65
	sureHead = 0.85

	leastOverlap = 0.4 // share of a head that both scans must show

	// Local correlation with the atlas, of brains where masks are known and of whole heads.
	atlasBrain = 0.15
	sureBrain  = 0.18 // below, a warning; an error for scans whose header names no axes
	atlasHead  = 0.30

	leastBrain = 0.5 // share of the atlas' brain that scans must show
	mostBrain  = 0.9 // from which on nothing is said

	leastMissed = 0.01 // share of the brain, in one of two scans alone, from which on it is told of

	leastVolume, mostVolume = 0.6, 1.9 // by which the affine transform may change volumes

	leastBrainHere, mostBrainHere = 900, 2000 // ml of an adult's brain with its fluid; published masks of 13 have 1212 to 1852
	sureCertainty                 = 0.95      // of brain extraction; below leastCertainty nothing counts as found
	strongField                   = 0.25      // standard deviation of a bias field's logarithm; of two scans at hand 0.05
)

// doubt is what is doubtful about the brain of a scan and its bias field; "" where nothing is.
func (r *ScanRecord) doubt(name string) string {
	switch {
	case r.BrainML > 0 && (r.BrainML < leastBrainHere || r.BrainML > mostBrainHere):
		return fmt.Sprintf("%s: the brain mask (%s) has %.0f ml, brains of adults %d to %d: look at it", name, r.Brain, r.BrainML, leastBrainHere, mostBrainHere)
	case r.Brain == "extracted" && r.Certainty < sureCertainty:
		return fmt.Sprintf("%s: the brain was found with a certainty of %.2f only, usually above %.2f: look at the mask", name, r.Certainty, sureCertainty)
	case r.Bias > strongField:
		return fmt.Sprintf("%s: its bias field varies by %.0f %% (one standard deviation) in the brain, usually by less than %.0f %%: look at the corrected scan", name, 100*r.Bias, 100*strongField)
	}
	return ""
}

// judge is the error of a registration of time points that failed, or a warning where it is
// doubtful. mirrored registers the scans with left and right of the second one exchanged.
func (r *Registered) judge(a, b *volume.Volume, mirrored func() (*Registered, error)) (warning string, err error) {
	if r.Correlation < sureHead {
		m, err := mirrored()
		if err == nil && m.Correlation > sameHead && m.Correlation > r.Correlation+0.05 && m.Overlap >= leastOverlap {
			return "", fmt.Errorf("%s and %s match with left and right of one exchanged (local correlation %.2f) and not as they are (%.2f): one of the headers names the wrong sides; mend it",
				a.Name(), b.Name(), m.Correlation, r.Correlation)
		}
	}
	switch {
	case r.Overlap < leastOverlap:
		return "", fmt.Errorf("%s and %s: registration found only %.0f %% of the head in both (local correlation %.2f); their fields of view have too little in common; give the transform of a registration made elsewhere, or scans that show the same part",
			a.Name(), b.Name(), 100*r.Overlap, r.Correlation)
	case r.Correlation < sameHead:
		return "", fmt.Errorf("%s and %s do not match: local correlation %.2f after registration, of one head at two times it is above %.2f, of two heads below: are they of one patient and both FLAIR? if so, register them elsewhere and give the transform",
			a.Name(), b.Name(), r.Correlation, sameHead)
	case r.Correlation < sureHead:
		return fmt.Sprintf("%s and %s match less well than scans of one head do: local correlation %.2f, usually above %.2f; look at the picture",
			a.Name(), b.Name(), r.Correlation, sureHead), nil
	}
	return "", nil
}

// AtlasError is the error of scans that could not be placed in the atlas; without it they can
// still be prepared.
type AtlasError struct{ text string }

func (e *AtlasError) Error() string { return e.text }

func atlasError(format string, a ...any) error {
	return &AtlasError{fmt.Sprintf(format, a...) + "; without the atlas the scan is prepared where it is (--atlas none)"}
}

// judge is the error of a registration to the atlas that failed.
func (r *AtlasRegistered) judge(name string, brain bool) error {
	least := atlasHead
	if brain {
		least = atlasBrain
	}
	factor := 1 / r.ToScan.Det()
	switch {
	case r.Overlap < leastOverlap:
		return atlasError("%s does not match the atlas: %.0f %% of the head in both (local correlation %.2f)", name, 100*r.Overlap, r.Correlation)
	case r.Correlation < least:
		return atlasError("%s does not match the atlas: local correlation %.2f, of FLAIR scans it is above %.2f; is it a FLAIR scan of a whole head?", name, r.Correlation, least)
	case factor < leastVolume || factor > mostVolume:
		return atlasError("%s does not match the atlas: its volume changes by a factor of %.2f, that of a head by %.1f to %.1f", name, factor, leastVolume, mostVolume)
	}
	return nil
}

// doubt is a warning where a registration to the atlas of a scan whose brain is known is no clear one; for a
// scan whose header does not say where its axes point, which makes that likely to have failed, an error.
func (r *AtlasRegistered) doubt(scans []*volume.Volume) (warning string, err error) {
	if r.Correlation >= sureBrain {
		return "", nil
	}
	for _, v := range scans {
		if !v.Oriented() {
			return "", atlasError("%s: its header has neither qform nor sform, and with its axes taken as right, front and up it does not match the atlas (local correlation %.2f, usually above %.2f): write into the header where its axes point",
				v.Name(), r.Correlation, sureBrain)
		}
	}
	return fmt.Sprintf("%s matches the atlas less well than other scans do: local correlation %.2f, usually above %.2f; look at the picture", scans[0].Name(), r.Correlation, sureBrain), nil
}

// seen is the share of the atlas' brain that all scans show, to which toScan leads.
func seen(scans []*volume.Volume, toScan []volume.Transform) float64 {
	brain := atlas.Brain()
	var shown []func(int) bool
	for n, v := range scans {
		shown = append(shown, shownOf(v, brain.Grid, toScan[n]))
	}
	var n, in float64
	for x, p := range brain.Data {
		if p < 0.5 {
			continue
		}
		n++
		if !slices.ContainsFunc(shown, func(by func(int) bool) bool { return !by(x) }) {
			in++
		}
	}
	return in / n
}

// blockMM is the side of the blocks in which cortex is held against white matter, of which few say nothing.
const (
	blockMM    = 16
	leastBlock = 20
)

// tissueSums are the normal equations of intensities as a sum of the tissues' means, weighted by their likelihoods.
type tissueSums struct {
	h           [12][13]float64
	n           int
	white, grey float64 // of the likelihoods
}

// contrast is the mean intensities of the tissues of a scan in the place of the atlas: those
// that, weighted by the likelihoods, come closest to the image. The cortex is held against white matter block by block, and the median taken: a bias field, which hardly
// changes in a block, makes one side of a head brighter than the other, and the whole of the cortex another than it is. nil where it holds too little
// of a brain.
func contrast(v *volume.Volume, toScan volume.Transform) *ContrastRecord {
	tissues := []atlas.Tissue{atlas.WhiteMatter, atlas.Cortex, atlas.DeepGrey, atlas.Ventricles, atlas.CSF}
	brain := atlas.Brain()
	on := volume.ResampleThrough(v, brain.Grid, toScan, volume.Linear, float32(math.NaN()))
	var p []*volume.Volume
	for _, t := range tissues {
		p = append(p, atlas.Likelihood(t))
	}
	var side, blocks [3]int
	for a, mm := range brain.Spacing() {
		side[a] = max(1, int(math.Round(blockMM/mm)))
		blocks[a] = (brain.Size[a] + side[a] - 1) / side[a]
	}
	var all tissueSums
	local := make([]tissueSums, blocks[0]*blocks[1]*blocks[2])
	for x, f := range on.Data {
		if f-f != 0 || brain.Data[x] < 0.9 {
			continue
		}
		i, j, k := x%brain.Size[0], x/brain.Size[0]%brain.Size[1], x/brain.Size[0]/brain.Size[1]
		for _, sums := range []*tissueSums{&all, &local[(k/side[2]*blocks[1]+j/side[1])*blocks[0]+i/side[0]]} {
			sums.n++
			sums.white += float64(p[0].Data[x])
			sums.grey += float64(p[1].Data[x])
			for a := range tissues {
				for b := range tissues {
					sums.h[a][b] += float64(p[a].Data[x]) * float64(p[b].Data[x])
				}
				sums.h[a][12] += float64(p[a].Data[x]) * float64(f)
			}
		}
	}
	m, ok := solve(all.h, len(tissues))
	if !ok || all.n < 10000 || m[0] <= 0 {
		return nil
	}
	c := &ContrastRecord{Cortex: m[1] / m[0], DeepGrey: m[2] / m[0], Ventricles: m[3] / m[0]}
	var cortex []float64
	for _, sums := range local {
		const least = 0.15 // of a block, that it has of either
		n := float64(sums.n)
		if n < float64(side[0]*side[1]*side[2])/3 || min(sums.white, sums.grey) < least*n {
			continue
		}
		for a := range tissues {
			sums.h[a][a] += 1e-6 * n // a tissue that is not there
		}
		if m, ok := solve(sums.h, len(tissues)); ok && m[0] > 0 {
			cortex = append(cortex, m[1]/m[0])
		}
	}
	if len(cortex) >= leastBlock {
		slices.Sort(cortex)
		c.Cortex = cortex[len(cortex)/2]
	}
	return c
}

// Bounds of a FLAIR's contrast: its fluid is dark, its grey matter at least as bright as white. Of 19 real scans the fluid is at
// 0.26 to 0.98, the cortex at 0.88 to 1.40; beyond the second bounds no FLAIR is.
const (
	brightFluid, fluidOfT2 = 1.05, 1.3
	darkGrey, greyOfT1     = 0.85, 0.8
)

// Unlike reports in words where tissues have not the contrast of a FLAIR scan, "" where they have; sure is for a contrast that no FLAIR has.
func (c *ContrastRecord) Unlike(name string) (what string, sure bool) {
	ending := func(kind string) string {
		if sure {
			return "it looks " + kind + "-weighted"
		}
		return "is it another kind of scan, such as " + kind + "?"
	}
	switch {
	case c == nil:
		return "", false
	case c.Ventricles > brightFluid:
		sure = c.Ventricles > fluidOfT2
		return fmt.Sprintf("%s: the fluid in the ventricles is %.2f times as bright as white matter, in a FLAIR below %.2f: %s", name, c.Ventricles, brightFluid, ending("T2")), sure
	case c.Cortex < darkGrey:
		sure = c.Cortex < greyOfT1
		return fmt.Sprintf("%s: the cortex is %.2f times as bright as white matter, in a FLAIR above %.2f: %s", name, c.Cortex, darkGrey, ending("T1")), sure
	}
	return "", false
}

// Contrast is the mean intensities of the tissues of a scan with its brain, found by registering the atlas to it. The error is for a
// scan that does not match the atlas.
func Contrast(v *volume.Volume, brain *volume.Mask) (*ContrastRecord, error) {
	r, err := RegisterAtlas(v, brain)
	if err == nil {
		err = r.judge(v.Name(), true)
	}
	if err != nil {
		return nil, err
	}
	return contrast(v, r.ToScan), nil
}

// shownOf reports whether a scan shows the voxels of a grid, by their index: those that t leads into the box of what is not 0 in the scan,
// as where a part was cut off or blanked, and of one voxel around it.
func shownOf(v *volume.Volume, g volume.Grid, t volume.Transform) func(x int) bool {
	content := volume.NewMask(v.Grid)
	for x, f := range v.Data {
		content.Data[x] = f != 0
	}
	first, end := content.Bounds()
	to := v.Affine.Inverse().Mul(t).Mul(g.Affine)
	return func(x int) bool {
		for d, at := range to.Apply([3]float64{float64(x % g.Size[0]), float64(x / g.Size[0] % g.Size[1]), float64(x / g.Size[0] / g.Size[1])}) {
			if at < max(float64(first[d])-1, 0)-0.5 || at > min(float64(end[d]), float64(v.Size[d]-1))+0.5 {
				return false
			}
		}
		return true
	}
}

// missed is how much of what is brain in any of the scans, on a grid of a space that t leads from to the space between, is not shown
// by all of them; nil for less than a hundredth.
func (j *job) missed(some *volume.Mask, t volume.Transform) *MissedRecord {
	if len(j.scans) == 1 {
		return nil
	}
	var shown []func(int) bool
	for n, v := range j.scans {
		shown = append(shown, shownOf(v, some.Grid, j.half[n].Mul(t)))
	}
	out, n := 0, 0
	for x, in := range some.Data {
		if in {
			if n++; !shown[0](x) || !shown[1](x) {
				out++
			}
		}
	}
	if float64(out) <= leastMissed*float64(n) {
		return nil
	}
	return &MissedRecord{ML: float64(out) * some.VoxelMM3() / 1000, Share: float64(out) / float64(n)}
}
