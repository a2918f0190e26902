package models

import (
	"fmt"
	"strconv"

	"voxgrad/internal/settings"
	"voxgrad/models/weights"
)

// Preparation says how the images were made that a network was trained on, as its weights
// file keeps it: whoever applies the network has to do the same. A zero value is what a
// file does not say.
type Preparation struct {
	Normalize     string  // of intensities: kde, median or none
	Interpolation string  // onto the grid: linear or cubic
	Spacing       float64 // of the grid, mm
	Axes          string  // what D, H, W run along: RAS is to the right, the front and the top
	Patch         [3]int  // voxels along D, H, W
	Threshold     float64 // a voxel is lesion above this probability; 0 for networks that restore

	// Where the network comes from.
	Data    string // SHA-256 of the training cases' names and files
	Version string // of the program
	Commit  string // of its source
}

// Metadata is p as keys of a weights file, without what is not known.
func (p Preparation) Metadata() map[string]string {
	m := map[string]string{}
	set := func(key, value string, known bool) {
		if known {
			m[key] = value
		}
	}
	set("normalize", p.Normalize, p.Normalize != "")
	set("interpolation", p.Interpolation, p.Interpolation != "")
	set("spacing_mm", number(p.Spacing), p.Spacing != 0)
	set("axes", p.Axes, p.Axes != "")
	set("patch", fmt.Sprintf("%dx%dx%d", p.Patch[0], p.Patch[1], p.Patch[2]), p.Patch != [3]int{})
	set("threshold", number(p.Threshold), p.Threshold != 0)
	set("data_sha256", p.Data, p.Data != "")
	set("voxgrad_version", p.Version, p.Version != "")
	set("voxgrad_commit", p.Commit, p.Commit != "")
	return m
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// PreparationOf reads what a weights file says of its network's input. Values that make no
// sense are errors; what the file does not say stays zero.
func PreparationOf(f *weights.File) (p Preparation, err error) {
	p = Preparation{Normalize: f.Meta["normalize"], Interpolation: f.Meta["interpolation"], Axes: f.Meta["axes"],
		Data: f.Meta["data_sha256"], Version: f.Meta["voxgrad_version"], Commit: f.Meta["voxgrad_commit"]}
	for key, to := range map[string]*float64{"spacing_mm": &p.Spacing, "threshold": &p.Threshold} {
		text, ok := f.Meta[key]
		if !ok {
			continue
		}
		if *to, err = strconv.ParseFloat(text, 64); err != nil || !(*to > 0 && *to <= 100) {
			return p, fmt.Errorf("%s: metadata: %s = %q: a number above 0 is needed", f.Path, key, text)
		}
	}
	if text, ok := f.Meta["patch"]; ok {
		if p.Patch, err = settings.ParseSize(text); err != nil {
			return p, fmt.Errorf("%s: metadata: patch: %w", f.Path, err)
		}
	}
	return p, nil
}

// Contradictions lists what p and q say differently of how an image becomes the input of a
// network and its answer a mask, in words: "normalize is kde and none". What one of them
// does not say is no contradiction, and the patch is none either.
func (p Preparation) Contradictions(q Preparation) []string {
	var out []string
	add := func(name, a, b string, known bool) {
		if known && a != b {
			out = append(out, fmt.Sprintf("%s is %s and %s", name, a, b))
		}
	}
	add("normalize", p.Normalize, q.Normalize, p.Normalize != "" && q.Normalize != "")
	add("interpolation", p.Interpolation, q.Interpolation, p.Interpolation != "" && q.Interpolation != "")
	add("spacing_mm", number(p.Spacing), number(q.Spacing), p.Spacing != 0 && q.Spacing != 0)
	add("axes", p.Axes, q.Axes, p.Axes != "" && q.Axes != "")
	add("threshold", number(p.Threshold), number(q.Threshold), p.Threshold != 0 && q.Threshold != 0)
	return out
}
