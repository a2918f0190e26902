// Package atlas is a head of usual size and orientation: for each tissue, how likely it
// is at each place. It is what scans are aligned to and where lesions are likely. Its
// world is that of the ICBM152 (MNI) templates: RAS, millimetres, the origin at the
// anterior commissure.
//
// tools/atlas made it from label maps of whole heads and of brains (see third_party).
package atlas

import (
	"bytes"
	"embed"
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"

	"voxgrad/volume"
)

// SpacingMM is the distance between the atlas's voxels.
const SpacingMM = 2

// Tissue is a class of the atlas. What is none of them is air.
type Tissue int

const (
	// WhiteMatter is that of cerebrum, cerebellum and brain-stem, lesions included.
	WhiteMatter Tissue = iota
	// Cortex is that of cerebrum and cerebellum, hippocampus and amygdala.
	Cortex
	// DeepGrey is the basal ganglia, the thalamus and the ventral diencephalon.
	DeepGrey
	// Ventricles is all four, with the choroid plexus.
	Ventricles
	// CSF is the fluid around the brain, with the vessels and sinuses in it.
	CSF
	// Bone is the skull and what else is bone, marrow included.
	Bone
	// Soft is skin, muscle, fat, the eyes, the nose.
	Soft

	// Tissues is how many there are.
	Tissues = iota
)

var files = [Tissues]string{"white_matter", "cortex", "deep_grey", "ventricles", "csf", "bone", "soft"}

// flair is the intensity of each tissue in a FLAIR scan, that of white matter being 1.
var flair = [Tissues]float32{1, 1.2, 1.1, 0.3, 0.35, 0.3, 0.8}

// String is the name of the tissue.
func (t Tissue) String() string { return files[t] }

// File is the name of the tissue's file.
func (t Tissue) File() string { return files[t] + ".nii.gz" }

// InBrain reports whether the tissue is a part of what is left after brain extraction.
func (t Tissue) InBrain() bool { return t <= Ventricles }

//go:embed *.nii.gz
var embedded embed.FS

// load decodes the files once.
var load = sync.OnceValue(func() (out [Tissues]*volume.Volume) {
	for t := range out {
		b, err := embedded.ReadFile(Tissue(t).File())
		if err == nil {
			out[t], err = decode(b, Tissue(t).File())
		}
		if err != nil {
			panic(fmt.Sprintf("atlas: an embedded file: %v", err))
		}
	}
	return out
})

func decode(b []byte, name string) (*volume.Volume, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	v, err := volume.Decode(z, name)
	if err != nil {
		return nil, err
	}
	for i := range v.Data {
		v.Data[i] /= 255
	}
	v.Path, v.Source = "", nil
	return v, nil
}

// Likelihood is how likely a tissue is at each voxel, from 0 to 1. The caller may change
// it.
func Likelihood(t Tissue) *volume.Volume {
	return weighted(func(u Tissue) float32 { return one(u == t) })
}

// Brain is how likely each voxel belongs to the brain.
func Brain() *volume.Volume { return weighted(func(t Tissue) float32 { return one(t.InBrain()) }) }

// FLAIR is the expected intensity of a FLAIR scan, white matter being 1 and air 0.
func FLAIR() *volume.Volume { return weighted(func(t Tissue) float32 { return flair[t] }) }

func one(b bool) float32 {
	if b {
		return 1
	}
	return 0
}

// weighted is the sum of the likelihoods by weight.
func weighted(weight func(t Tissue) float32) *volume.Volume {
	all := load()
	out := volume.New(all[0].Grid)
	for t, v := range all {
		if w := weight(Tissue(t)); w != 0 {
			for i, p := range v.Data {
				out.Data[i] += w * p
			}
		}
	}
	return out
}
