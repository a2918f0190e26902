package synth

import (
	"fmt"
	"slices"

	"voxgrad/volume"
)

// How the tissues of a scan are told apart, as shares of white matter's intensity in FLAIR and in mm.
const (
	fluidBelow  = 0.55 // darker is fluid
	lesionAbove = 1.3  // brighter may be a lesion
	lesionGrown = 2    // around what may be one nothing new is drawn
	deepMM      = 15   // fluid so far inside the brain is a ventricle's
	likelyFluid = 0.3  // unless fluid outside of them is so likely there
)

// AnatomyOfScan is a head that was scanned: what is drawn of it has the scan's own intensities, with lesions drawn into them. The image is a
// stripped FLAIR scan with voxels of 1 mm, lesions its known ones or nil (they count as lesions of all time points), tissues how likely its classes are in its space (as of
// DrawAnatomy). Classes decide only where lesions can be: fluid is what is dark, ventricles what of it is deep inside, everything else the most likely one. Nothing new is
// drawn at known lesions and where the scan is as bright as one, cortex and what is too small left aside.
func AnatomyOfScan(name string, image *volume.Volume, brain, lesions *volume.Mask, tissues []TissueMap) (*Anatomy, error) {
	n := len(image.Data)
	outside := make([]bool, n)
	for i, in := range brain.Data {
		outside[i] = !in
	}
	depth, err := volume.Distance(outside, image.Size, volume.Voxels)
	if err != nil {
		return nil, err
	}
	class, best := make([]uint8, n), make([]float32, n)
	csf := make([]float32, n)
	for _, t := range tissues {
		switch {
		case len(t.At) != n:
			return nil, fmt.Errorf("a map of %d voxels for a scan of %d", len(t.At), n)
		case t.Class == CSF:
			csf = t.At
		}
		if t.Class != CSF && t.Class != Ventricle && t.Class.inBrain() {
			for i, p := range t.At {
				if p > best[i] {
					class[i], best[i] = uint8(t.Class), p
				}
			}
		}
	}
	var white []float32
	for i, in := range brain.Data {
		if in && class[i] == uint8(WhiteMatter) && depth[i] > atCortex {
			white = append(white, image.Data[i])
		}
	}
	if len(white) == 0 {
		return nil, fmt.Errorf("%s: no white matter where the atlas has it: the scan is not in the atlas's space ('voxgrad prepare' brings it there)", image.Name())
	}
	slices.Sort(white)
	level := white[len(white)/2]
	if !(level > 0) {
		return nil, fmt.Errorf("%s: white matter has an intensity of %g", image.Name(), level)
	}
	scan, bright := make([]float32, n), make([]bool, n)
	for i, in := range brain.Data {
		scan[i] = image.Data[i] / level
		switch {
		case !in:
			class[i], scan[i] = uint8(Air), 0
		case scan[i] < fluidBelow && depth[i] >= deepMM && csf[i] < likelyFluid:
			class[i] = uint8(Ventricle)
		case scan[i] < fluidBelow, class[i] == uint8(Air):
			class[i] = uint8(CSF)
		default:
			bright[i] = scan[i] > lesionAbove && Class(class[i]) != Cortex
		}
	}
	for _, list := range components(bright, [3]int{image.Size[2], image.Size[1], image.Size[0]}) {
		if len(list) < leastNew { // noise
			for _, i := range list {
				bright[i] = false
			}
		}
	}
	for i := range bright {
		bright[i] = bright[i] || lesions != nil && lesions.Data[i]
	}
	if bright, err = volume.Dilate(bright, image.Size, volume.Voxels, lesionGrown); err != nil {
		return nil, err
	}
	a, err := NewAnatomy(name, image.Size, class)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", image.Name(), err)
	}
	a.scan, a.taken = boxOf(a, scan, image.Size), boxOf(a, bright, image.Size)
	if lesions != nil {
		a.lesions = boxOf(a, lesions.Data, image.Size)
	}
	return a, nil
}

// shows is the scan's intensity at a place of it, by linear interpolation, times the change of what the place consists of.
func (a *Anatomy) shows(at [3]float32, change *[classes]float32) float32 {
	var base [3]int
	var f [3]float32
	for k, x := range at {
		if !(x >= 0 && x < float32(a.Size[k]-1)) {
			return 0
		}
		base[k] = int(x)
		f[k] = x - float32(base[k])
	}
	i := (base[2]*a.Size[1]+base[1])*a.Size[0] + base[0]
	row, plane := a.Size[0], a.Size[0]*a.Size[1]
	line := func(i int) float32 { return a.scan[i] + f[0]*(a.scan[i+1]-a.scan[i]) }
	face := func(i int) float32 { v := line(i); return v + f[1]*(line(i+row)-v) }
	v := face(i)
	v += f[2] * (face(i+plane) - v)
	return v * change[a.at(at[0]+0.5, at[1]+0.5, at[2]+0.5)&classBits]
}

// boxOf is the anatomy's box of a map.
func boxOf[T any](a *Anatomy, x []T, size [3]int) []T {
	out := make([]T, 0, len(a.voxels))
	for k := range a.Size[2] {
		for j := range a.Size[1] {
			at := ((a.start[2]+k)*size[1]+a.start[1]+j)*size[0] + a.start[0]
			out = append(out, x[at:at+a.Size[0]]...)
		}
	}
	return out
}
