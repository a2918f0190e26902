package report

import (
	"errors"
	"fmt"
	"image"
	"image/draw"
	"math"

	"voxgrad/internal/text"
	"voxgrad/metrics"
	"voxgrad/volume"
)

// Scored is one evaluated case with what there is to show of it.
type Scored struct {
	Name   string
	Result metrics.Result // with its lesion group, of Images.Mask against Images.Truth

	// Images are the masks that were measured and, for pictures, the scans;
	// probabilities and brain mask may be nil. All are on one grid. Title and Rows are not
	// used.
	Images *Case

	// Members are what each network of an ensemble found: masks, or probabilities.
	// A member votes for a lesion if more than Alpha of its voxels are above 0.5 in the
	// member's image.
	Members []*volume.Volume
	Alpha   float64
}

// FoundLesion is a lesion of either mask with all that is known of it.
type FoundLesion struct {
	metrics.Lesion
	Covered  float64 // share of its voxels inside lesions of the other mask
	MeanProb float64 // over its voxels; NaN without a map
	MaxProb  float64
	Votes    int // members that vote for it

	slice int // axial, on the canonical grid: the one with most of its voxels
	box   Box // on the canonical grid
}

// Lesions lists the lesions of the truth and of the mask under test above the
// size limit, numbered as by package metrics. The error names the image that is missing or
// on another grid.
func (s *Scored) Lesions() (truth, pred []FoundLesion, err error) {
	if s.Images == nil || s.Images.Mask == nil || s.Images.Truth == nil {
		return nil, nil, errors.New("a list of lesions needs the two masks")
	}
	for _, v := range append([]*volume.Volume{s.Images.Time1, s.Images.Time2, s.Images.Mask, s.Images.Prob, s.Images.Brain}, s.Members...) {
		if v != nil {
			if err := volume.SameSpace(s.Images.Truth, v); err != nil {
				return nil, nil, err
			}
		}
	}
	if truth, err = s.describe(s.Images.Truth, s.Result.TruthLesions); err != nil {
		return nil, nil, err
	}
	pred, err = s.describe(s.Images.Mask, s.Result.PredLesions)
	return truth, pred, err
}

// describe adds to the lesions measured in mask what the other images say.
func (s *Scored) describe(mask *volume.Volume, measured []metrics.Lesion) ([]FoundLesion, error) {
	inside, err := metrics.Foreground(mask)
	if err != nil {
		return nil, err
	}
	labels, comps, list, err := findLesions(mask, inside, s.Images.Prob, 6)
	if err != nil {
		return nil, err
	}
	if len(measured) > len(comps) {
		return nil, fmt.Errorf("%s has %s, the result %d: it was measured on another mask", mask.Name(), text.Plural(len(comps), "lesion"), len(measured))
	}
	votes := s.votes(labels, comps)
	slices := busiest(mask.Grid, labels, comps)
	out := make([]FoundLesion, len(measured))
	for n, l := range measured {
		if l.Voxels != comps[n].Voxels {
			return nil, fmt.Errorf("lesion %d of %s has %s, in the result %d: it was measured on another mask",
				n+1, mask.Name(), text.Plural(comps[n].Voxels, "voxel"), l.Voxels)
		}
		out[n] = FoundLesion{
			Lesion: l, Covered: float64(l.Overlap) / float64(l.Voxels),
			MeanProb: list[n].MeanProb, MaxProb: list[n].MaxProb, Votes: votes[n],
			slice: slices[n], box: canonicalBox(mask.Grid, comps[n]),
		}
	}
	return out, nil
}

// votes is how many members vote for each component.
func (s *Scored) votes(labels []int32, comps []volume.Component) []int {
	votes := make([]int, len(comps))
	for _, m := range s.Members {
		marked := make([]int, len(comps))
		for x, l := range labels {
			if l > 0 && volume.Marked(m.Data[x]) {
				marked[l-1]++
			}
		}
		for n, c := range comps {
			if float64(marked[n])/float64(c.Voxels) > s.Alpha {
				votes[n]++
			}
		}
	}
	return votes
}

// busiest is the canonical axial slice with most voxels of each component, the
// lowest of equal ones.
func busiest(g volume.Grid, labels []int32, comps []volume.Component) []int {
	counts := make([][]int, len(comps))
	lowest := make([]int, len(comps))
	for n, c := range comps {
		b := canonicalBox(g, c)
		lowest[n] = b.Min[2]
		counts[n] = make([]int, b.Max[2]-b.Min[2])
	}
	height := heights(g)
	for x, l := range labels {
		if l > 0 {
			counts[l-1][height(x)-lowest[l-1]]++
		}
	}
	out := make([]int, len(comps))
	for n, of := range counts {
		most := 0
		for k, count := range of {
			if count > most {
				most, out[n] = count, lowest[n]+k
			}
		}
	}
	return out
}

// Tables are the lists of true and of predicted lesions.
func (s *Scored) Tables() (truth, pred *Table, err error) {
	t, p, err := s.Lesions()
	if err != nil {
		return nil, nil, err
	}
	truth = s.table("True lesions", "detected", t)
	pred = s.table("Predicted lesions", "true positive", p)
	if s.Result.EmptyTruth() {
		truth.Note = "Nothing is marked in the truth."
	}
	return truth, pred, nil
}

func (s *Scored) table(title, found string, list []FoundLesion) *Table {
	t := &Table{Title: title, Columns: []Column{
		{Name: "lesion"}, {Name: "volume", Unit: CubicMillimetres},
		{Name: "x", Unit: Millimetres}, {Name: "y", Unit: Millimetres}, {Name: "z", Unit: Millimetres},
		{Name: found}, {Name: "covered", Unit: Percent},
	}}
	probs := s.Images.Prob != nil
	if probs {
		t.Columns = append(t.Columns, Column{Name: "mean prob.", Unit: Probability}, Column{Name: "max prob.", Unit: Probability})
	}
	if len(s.Members) > 0 {
		t.Columns = append(t.Columns, Column{Name: "members"})
	}
	if len(list) == 0 {
		t.Note = "None above the size limit."
		return t
	}
	sum, hits := 0.0, 0
	for _, l := range list {
		cells := []any{l.Number, l.VolumeMM3, l.World[0], l.World[1], l.World[2], l.Found, l.Covered}
		if probs {
			cells = append(cells, l.MeanProb, l.MaxProb)
		}
		if len(s.Members) > 0 {
			cells = append(cells, s.agreement(l))
		}
		t.Add(cells...)
		sum += l.VolumeMM3
		if l.Found {
			hits++
		}
	}
	total := []any{len(list), sum, "", "", "", fmt.Sprintf("%d of %d", hits, len(list))}
	for len(total) < len(t.Columns) {
		total = append(total, "")
	}
	t.AddSummary(total...)
	return t
}

// agreement is how many members vote for a lesion.
func (s *Scored) agreement(l FoundLesion) string {
	return fmt.Sprintf("%d of %d", l.Votes, len(s.Members))
}

// caption describes a lesion in one line.
func (s *Scored) caption(kind string, l FoundLesion, slices int) string {
	text := fmt.Sprintf("%s %d: %s at %s, %s, %s mm", kind, l.Number, CubicMillimetres.Text(l.VolumeMM3),
		Millimetres.Format(l.World[0]), Millimetres.Format(l.World[1]), Millimetres.Format(l.World[2]))
	switch {
	case kind == trueLesion && l.Found:
		text += "; detected, " + Percent.Text(l.Covered) + " covered"
	case kind == trueLesion:
		text += "; missed, " + Percent.Text(l.Covered) + " covered"
	default:
		text += "; false positive, " + Percent.Text(l.Covered) + " of it in true lesions"
	}
	if !math.IsNaN(l.MeanProb) {
		text += "; mean probability " + Probability.Format(l.MeanProb)
	}
	if len(s.Members) > 0 {
		text += "; " + s.agreement(l) + " members"
	}
	return text + fmt.Sprintf(". Axial slice %d of %d.", l.slice+1, slices)
}

const (
	trueLesion      = "True lesion"
	predictedLesion = "Predicted lesion"
)

// LesionFigure shows one lesion: whole slices and close-ups, each a row of the
// first and the second scan, or of the only scan without and with the masks.
type LesionFigure struct {
	Caption         string
	Slices, Closeup *image.RGBA
}

// Figures draws one figure per lesion of the truth and per false positive, at
// most most of them, half of the places for either where both have more; left is how many are not drawn. A
// true positive is seen with the lesions of the truth that it covers. Images.Time2
// must be there.
func (s *Scored) Figures(most int) (figures []LesionFigure, left int, err error) {
	truth, pred, err := s.Lesions()
	if err != nil {
		return nil, 0, err
	}
	var wrong []FoundLesion
	for _, l := range pred {
		if !l.Found {
			wrong = append(wrong, l)
		}
	}
	nTruth, nWrong := share(len(truth), len(wrong), max(most, 0))
	left = len(truth) + len(wrong) - nTruth - nWrong
	if nTruth+nWrong == 0 {
		return nil, left, nil
	}
	var regions []region
	var captions []string
	slices := volume.Canonical(s.Images.Truth).Size[2]
	add := func(kind string, list []FoundLesion) {
		for _, l := range list {
			regions = append(regions, region{slice: l.slice, box: l.box})
			captions = append(captions, s.caption(kind, l, slices))
		}
	}
	add(trueLesion, truth[:nTruth])
	add(predictedLesion, wrong[:nWrong])

	measured, err := s.measured()
	if err != nil {
		return nil, 0, err
	}
	sh, err := newSheet(measured, regions)
	if err != nil {
		return nil, 0, err
	}
	for n := range regions {
		f := LesionFigure{Caption: captions[n]}
		if f.Slices, err = sh.wholeRow(&regions[n]); err != nil {
			return nil, 0, err
		}
		if f.Closeup, err = sh.closeupRow(&regions[n]); err != nil {
			return nil, 0, err
		}
		figures = append(figures, f)
	}
	return figures, left, nil
}

// share divides places among two kinds of lesions.
func share(a, b, places int) (int, int) {
	if a+b <= places {
		return a, b
	}
	half := (places + 1) / 2
	switch {
	case a <= half:
		return a, places - a
	case b <= places-half:
		return places - b, b
	}
	return half, places - half
}

// measured is the case with the masks as they were measured: 0 and 1.
func (s *Scored) measured() (*Case, error) {
	c := *s.Images
	c.Prob = nil // figures show the masks
	for _, m := range []**volume.Volume{&c.Mask, &c.Truth} {
		inside, err := metrics.Foreground(*m)
		if err != nil {
			return nil, err
		}
		binary := (*m).Like()
		binary.Path = (*m).Path
		for x, in := range inside {
			if in {
				binary.Data[x] = 1
			}
		}
		*m = binary
	}
	return &c, nil
}

// wholeRow is the slice of both scans side by side, the masks on the second one.
func (s *sheet) wholeRow(r *region) (*image.RGBA, error) {
	v := s.view
	v.Slice = r.slice
	img, err := s.sideBySide(v, s.found)
	if err == nil {
		frameBox(img, image.Pt(s.panel.X+gap, 0), s.scan2.vol.Grid, s.view, s.closeupView(r).Box)
	}
	return img, err
}

// closeupRow is the same of the surroundings of the lesion, the masks as outlines.
func (s *sheet) closeupRow(r *region) (*image.RGBA, error) {
	edge := *s.found
	edge.Fill, edge.Outline = 0, 2
	v := s.closeupView(r)
	v.PixelsPerMM *= closeupZoom
	return s.sideBySide(v, &edge)
}

// closeupZoom makes the close-ups of a figure larger than those of a sheet, which stand
// two above each other.
const closeupZoom = 1.7

func (s *sheet) sideBySide(v View, masks *Overlay) (*image.RGBA, error) {
	left := s.scan1
	names := [2]string{"time 1", "time 2"}
	if left == nil {
		left, names = s.scan2, [2]string{"scan", "scan with masks"}
	}
	a, err := left.Slice(v)
	if err != nil {
		return nil, err
	}
	b, err := s.scan2.Slice(v, masks)
	if err != nil {
		return nil, err
	}
	size := a.Bounds().Size()
	img := image.NewRGBA(image.Rect(0, 0, 2*size.X+gap, size.Y))
	draw.Draw(img, img.Bounds(), image.NewUniform(sheetColor), image.Point{}, draw.Src)
	for n, p := range []*image.RGBA{a, b} {
		x := n * (size.X + gap)
		draw.Draw(img, p.Bounds().Add(image.Pt(x, 0)), p, image.Point{}, draw.Src)
		outlined(img, 15, x+6, 19, names[n])
	}
	return img, nil
}
