package view

import (
	"bytes"
	"math"

	"voxgrad/report"
	"voxgrad/volume"
)

// add encodes v for the page and returns its index. Only voxels and their place go
// out: what else the file's header holds stays in the file.
func (s *Study) add(v *volume.Volume) (int, error) {
	plain := &volume.Volume{Grid: v.Grid, Data: v.Data, Path: v.Path}
	var b bytes.Buffer
	if err := volume.Encode(&b, plain, storage(v)); err != nil {
		return 0, err
	}
	s.images = append(s.images, b.Bytes())
	return len(s.images) - 1, nil
}

// storage is the smallest of the types every browser draws that holds v exactly.
func storage(v *volume.Volume) volume.DType {
	low, high := 0.0, 0.0
	for _, f := range v.Data {
		x := float64(f)
		if x != math.Trunc(x) {
			return volume.Float32
		}
		low, high = min(low, x), max(high, x)
	}
	switch {
	case low >= 0 && high <= math.MaxUint8:
		return volume.Uint8
	case low >= math.MinInt16 && high <= math.MaxInt16:
		return volume.Int16
	}
	return volume.Float32
}

// window is the range of intensities between black and white: from the 0.5th to the
// 99.8th percentile of the non-zero voxels, with room above for bright lesions.
func window(v *volume.Volume) (low, high float64) {
	const enough, headroom = 1 << 18, 1.2
	inside := 0
	for _, f := range v.Data {
		if f != 0 {
			inside++
		}
	}
	if inside == 0 {
		return 0, 1
	}
	values := make([]float32, 0, min(inside, 2*enough))
	step, seen := 1+inside/enough, 0
	for _, f := range v.Data {
		if f == 0 {
			continue
		}
		if seen%step == 0 {
			values = append(values, f)
		}
		seen++
	}
	low, high = volume.Percentile(values, 0.5), volume.Percentile(values, 99.8)
	if high == low { // one value everywhere: show it against 0
		low, high = min(low, 0), max(high, 0)
	}
	return low, low + headroom*(high-low)
}

// overlay is a mask, or two that are compared, as an image of classes 1, 2, …
type overlay struct {
	Image   int      `json:"image"`
	Names   []string `json:"names"` // of the files
	Classes []class  `json:"classes"`
}

type class struct {
	Name   string   `json:"name"`
	Color  [3]uint8 `json:"color"`
	Status Status   `json:"status"` // of the lesions that are listed in this colour
}

// addOverlay adds the image of classes: the colours of the paper's Figure 6 where
// both masks are given, else one.
func (s *Study) addOverlay(mask, truth *volume.Volume, name map[string]string) error {
	o := &overlay{}
	one := mask
	if mask == nil {
		one = truth
	}
	image := &volume.Volume{Grid: one.Grid, Data: make([]float32, one.Len()), Path: one.Path}
	if mask != nil && truth != nil {
		if err := volume.SameSpace(truth, mask); err != nil {
			return err
		}
		o.Names = []string{name[mask.Path], name[truth.Path]}
		o.Classes = []class{
			{"true positive", rgb(report.TruePositive), Found},
			{"false negative", rgb(report.FalseNegative), Missed},
			{"false positive", rgb(report.FalsePositive), False},
		}
		for x, m := range mask.Data {
			switch t := truth.Data[x] != 0; {
			case m != 0 && t:
				image.Data[x] = 1
			case t:
				image.Data[x] = 2
			case m != 0:
				image.Data[x] = 3
			}
		}
	} else {
		o.Names = []string{name[one.Path]}
		o.Classes = []class{{"lesion", rgb(report.Predicted), Marked}}
		for x, m := range one.Data {
			if m != 0 {
				image.Data[x] = 1
			}
		}
	}
	at, err := s.add(padded(image))
	o.Image = at
	s.content.Overlay = o
	return err
}
