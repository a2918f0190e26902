package report

import (
	"image"
	"image/draw"

	"voxgrad/metrics"
	"voxgrad/volume"
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
		s.frameCloseup(img, image.Pt(s.panel.X+gap, 0), r)
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
