package synth

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"voxgrad/volume"
)

// Class is what a voxel of a head consists of, as far as scans tell.
type Class uint8

// The classes. Left and right have the same one.
const (
	Air Class = iota
	WhiteMatter
	Cortex
	CerebellarWhiteMatter
	CerebellarCortex
	Thalamus
	Caudate
	Putamen
	Pallidum
	Hippocampus
	Amygdala
	Accumbens
	VentralDC
	BrainStem
	Ventricle
	CSF // outside the ventricles
	Choroid
	Vessel
	SpinalCord
	Scalp
	SoftTissue
	Bone
	Marrow
	Dura
	Eye
	Orbit
	Nose
	Vertebra
	Chiasm

	classes
)

// inBrain reports whether a class counts as brain before sulci are closed.
func (c Class) inBrain() bool {
	return c >= WhiteMatter && c <= Vessel && c != CSF
}

// extracerebral reports whether a class is of neither the brain nor its fluid: such classes are mixtures of tissues.
func (c Class) extracerebral() bool { return c >= Scalp && c <= Vertebra }

// classOf are the labels of label maps: FreeSurfer's, and those from 502 on of SynthSeg's
// heads, which have no published names and are named by where they are.
var classOf = map[uint16]Class{
	0: Air,
	2: WhiteMatter, 41: WhiteMatter, 77: WhiteMatter, 25: WhiteMatter, 57: WhiteMatter, 29: WhiteMatter, 61: WhiteMatter,
	251: WhiteMatter, 252: WhiteMatter, 253: WhiteMatter, 254: WhiteMatter, 255: WhiteMatter, 78: WhiteMatter, 79: WhiteMatter,
	3: Cortex, 42: Cortex, 7: CerebellarWhiteMatter, 46: CerebellarWhiteMatter, 8: CerebellarCortex, 47: CerebellarCortex,
	10: Thalamus, 49: Thalamus, 11: Caudate, 50: Caudate, 12: Putamen, 51: Putamen, 13: Pallidum, 52: Pallidum,
	17: Hippocampus, 53: Hippocampus, 18: Amygdala, 54: Amygdala, 26: Accumbens, 58: Accumbens, 28: VentralDC, 60: VentralDC,
	16: BrainStem, 4: Ventricle, 43: Ventricle, 5: Ventricle, 44: Ventricle, 14: Ventricle, 15: Ventricle, 72: Ventricle,
	24: CSF, 31: Choroid, 63: Choroid, 136: Choroid, 137: Choroid, 163: Choroid, 164: Choroid, 30: Vessel, 62: Vessel, 85: Chiasm,
	502: Dura, 506: Eye, 507: SoftTissue, 508: Orbit, 509: Nose, 511: Scalp, 512: SpinalCord, 514: Vertebra, 515: Bone, 516: Marrow, 530: Chiasm,
}

// ClosingMM is how far the brain of a label map is closed, so that its sulci and fissures are inside the
// mask, as they are in the masks that people draw.
const ClosingMM = 3

// Anatomy is a label map, on its 1 mm grid along RAS, cropped to what is not air. It may be read by
// several goroutines.
type Anatomy struct {
	Name string
	Size [3]int // along x, y, z; x runs fastest

	voxels []uint8    // class, rim and brainBit
	centre [3]float64 // of the brain
	extent [3]int     // its box, mm

	sites sites

	// scan is a scan of this head, white matter being 1, lesions the known ones of it, and taken where nothing new can be told from what is there; nil: how the head
	// looks is drawn.
	scan           []float32
	lesions, taken []bool
	start          [3]int // of the box in the map
}

// What a voxel holds: its class, how many mm of fluid around the closed brain reach it (0: it is none of that, or farther
// away than rimMost), and whether it is of the closed brain.
const (
	classBits = 1<<5 - 1
	rimShift  = 5
	rimMost   = 3
	brainBit  = 1 << 7
)

// within reports whether a voxel is of the closed brain or of the fluid less than rim mm around it.
func within(voxel uint8, rim int) bool {
	d := int(voxel >> rimShift & rimMost)
	return voxel&brainBit != 0 || d > 0 && d <= rim
}

// ReadAnatomy reads a label map.
func ReadAnatomy(path string) (*Anatomy, error) {
	v, err := volume.Read(path)
	if err != nil {
		return nil, err
	}
	labels, err := v.Labels()
	if err != nil {
		return nil, fmt.Errorf("%s: no label map of a head, whose values are whole numbers (%w)", path, err)
	}
	for a, mm := range v.Spacing() {
		if mm < 0.99 || mm > 1.01 {
			return nil, fmt.Errorf("%s: a label map must have voxels of 1 mm, not %.3g along axis %d", path, mm, a)
		}
	}
	v = &volume.Volume{Grid: v.Grid, Data: make([]float32, len(labels))}
	unknown := map[uint16]int{}
	for i, l := range labels {
		c, ok := classOf[l]
		if !ok {
			unknown[l]++
		}
		v.Data[i] = float32(c)
	}
	if len(unknown) > 0 {
		var list []string
		for l, n := range unknown {
			list = append(list, fmt.Sprintf("%d (%d voxels)", l, n))
		}
		slices.Sort(list)
		return nil, fmt.Errorf("%s: no label map of a head: labels without a meaning here: %s; known are FreeSurfer's of the brain and SynthSeg's of the head (docs/synthesis.md)",
			path, strings.Join(list[:min(len(list), 8)], ", "))
	}
	v = volume.Canonical(v)
	class := make([]uint8, len(v.Data))
	for i, x := range v.Data {
		class[i] = uint8(x)
	}
	name, _, _ := volume.CutEnding(filepath.Base(path))
	a, err := NewAnatomy(name, v.Size, class)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// NewAnatomy is a label map that is in memory: a class for each voxel of 1 mm, x (to the right) fastest, then y
// (to the front), then z.
func NewAnatomy(name string, size [3]int, class []uint8) (*Anatomy, error) {
	lo, hi := size, [3]int{}
	for i, c := range class {
		if c >= uint8(classes) {
			return nil, fmt.Errorf("class %d: there are %d", c, classes)
		}
		if c == uint8(Air) {
			continue
		}
		for k, x := range [3]int{i % size[0], i / size[0] % size[1], i / size[0] / size[1]} {
			lo[k], hi[k] = min(lo[k], x), max(hi[k], x+1)
		}
	}
	if hi[0] == 0 {
		return nil, fmt.Errorf("nothing but air")
	}
	a := &Anatomy{Name: name}
	for k := range lo { // room for the closing
		lo[k], hi[k] = max(lo[k]-ClosingMM-1, 0), min(hi[k]+ClosingMM+1, size[k])
		a.Size[k] = hi[k] - lo[k]
	}
	a.start = lo
	a.voxels = make([]uint8, a.Size[0]*a.Size[1]*a.Size[2])
	brain := make([]bool, len(a.voxels))
	n, first, last := 0, a.Size, [3]int{}
	for k := range a.Size[2] {
		for j := range a.Size[1] {
			row := class[((lo[2]+k)*size[1]+lo[1]+j)*size[0]+lo[0]:]
			at := (k*a.Size[1] + j) * a.Size[0]
			copy(a.voxels[at:at+a.Size[0]], row)
			for i := range a.Size[0] {
				if Class(row[i]).inBrain() {
					brain[at+i] = true
					n++
					for m, x := range [3]int{i, j, k} {
						a.centre[m] += float64(x)
						first[m], last[m] = min(first[m], x), max(last[m], x+1)
					}
				}
			}
		}
	}
	if n == 0 {
		return nil, fmt.Errorf("no brain in it")
	}
	for m := range a.centre {
		a.centre[m] /= float64(n)
		a.extent[m] = last[m] - first[m]
	}
	closed, err := closing(brain, a.Size, ClosingMM)
	if err != nil {
		return nil, err
	}
	for i, in := range closed {
		if !in {
			continue
		}
		if Class(a.voxels[i]) == Air { // of a map that ends at the brain
			a.voxels[i] = uint8(CSF)
		}
		a.voxels[i] |= brainBit
	}
	return a, a.rim(closed)
}

// rim marks the fluid around the closed brain.
func (a *Anatomy) rim(closed []bool) error {
	far, err := volume.Distance(closed, a.Size, volume.Voxels)
	if err != nil {
		return err
	}
	for i, v := range a.voxels {
		if c := Class(v & classBits); v&brainBit == 0 && (c == CSF || c == Chiasm) && far[i] <= rimMost {
			a.voxels[i] |= uint8(math.Ceil(float64(far[i]))) << rimShift
		}
	}
	return nil
}

// closing fills what a ball of that radius cannot enter, and holes.
func closing(mask []bool, size [3]int, mm float64) ([]bool, error) {
	mask, err := volume.Dilate(mask, size, volume.Voxels, mm)
	if err != nil {
		return nil, err
	}
	if mask, err = volume.Erode(mask, size, volume.Voxels, mm); err != nil {
		return nil, err
	}
	return volume.FillHoles(mask, size)
}

// FindAnatomies lists the label maps of a folder and of the folders in it, in the order of their names.
func FindAnatomies(root string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && volume.IsImageName(d.Name()) {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the folder of label maps: %w", err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no label map (*.nii, *.nii.gz) in it", root)
	}
	slices.Sort(out)
	return out, nil
}
