package synth

import (
	"math"

	"voxgrad/augment"
	"voxgrad/prepare/atlas"
	"voxgrad/volume"
)

// TissueMap is how likely a class is at each place, from 0 to 1: voxels of 1 mm, x fastest.
type TissueMap struct {
	Class Class
	At    []float32
}

// AtlasTissues is how likely each tissue of the embedded atlas is at the voxels of a grid in its space.
func AtlasTissues(g volume.Grid) (out []TissueMap) {
	for t, class := range [atlas.Tissues]Class{atlas.WhiteMatter: WhiteMatter, atlas.Cortex: Cortex, atlas.DeepGrey: Thalamus,
		atlas.Ventricles: Ventricle, atlas.CSF: CSF, atlas.Bone: Bone, atlas.Soft: Scalp} {
		out = append(out, TissueMap{class, volume.Resample(atlas.Likelihood(atlas.Tissue(t)), g, volume.Linear, 0).Data})
	}
	return out
}

// DrawAnatomy draws a label map from likelihoods, such as an atlas's: at each voxel the class with the largest sum of its likelihood
// and a smooth random field of standard deviation rough, with details of about cellMM. What the classes leave of 1 is air's.
func DrawAnatomy(s *augment.Stream, name string, size [3]int, tissues []TissueMap, rough, cellMM float64) (*Anatomy, error) {
	n := size[0] * size[1] * size[2]
	class, best := make([]uint8, n), make([]float32, n)
	air := make([]float32, n)
	for i := range air {
		air[i] = 1
	}
	for _, t := range tissues {
		for i, p := range t.At {
			air[i] -= p
		}
	}
	for k, t := range append([]TissueMap{{Air, air}}, tissues...) {
		field := augment.SmoothField(s, [3]int{size[2], size[1], size[0]}, cellMM)
		for i, p := range t.At {
			if p <= 0 && k > 0 { // nowhere without any likelihood
				continue
			}
			if v := p + float32(rough)*field[i]; k == 0 || v > best[i] {
				class[i], best[i] = uint8(t.Class), v
			}
		}
	}
	return NewAnatomy(name, size, class)
}

// AddBlobs adds shapes of n made-up lesions, for where no masks of real ones are at hand: balls of 1.5 to 6 mm radius whose
// surface is moved by a smooth random field.
func (l *Library) AddBlobs(s *augment.Stream, n int) error {
	size := [3]int{24, 24, 24}
	for range n {
		mask := make([]bool, 24*24*24)
		r := math.Exp(s.Uniform(math.Log(1.5), math.Log(6)))
		field := augment.SmoothField(s, size, 4)
		for i := range mask {
			q := 0.0
			for _, x := range unindex(i, size) {
				q += sq(float64(x) - 11.5)
			}
			mask[i] = 1-q/(r*r)+0.45*float64(field[i]) > 0 && q < 121
		}
		if _, err := l.Add("made up", mask, size); err != nil {
			return err
		}
	}
	return nil
}
