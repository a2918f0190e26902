package augment

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/augment"
	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/device"
	"voxgrad/internal/outfile"
	"voxgrad/internal/rng"
	"voxgrad/internal/text"
	"voxgrad/report"
	"voxgrad/volume"
)

// augmentRecord states what was done. The recipe of a variant applied to the image gives
// the variant again; its noise is in units of Unit.
type augmentRecord struct {
	Image     string           `json:"image"`
	Preset    string           `json:"preset,omitempty"`
	Seed      *uint64          `json:"seed,omitempty"`
	Normalize string           `json:"normalize"`
	Unit      float64          `json:"unit"`
	Variants  []augmentVariant `json:"variants"`
}

type augmentVariant struct {
	File   string         `json:"file"`
	Recipe augment.Recipe `json:"recipe"`
}

// run reads, transforms, writes and prints.
func (j *augmentJob) run(cmd *cobra.Command) error {
	scan, err := volume.Read(j.in)
	if err != nil {
		return err
	}
	if err := scan.CheckFinite(); err != nil {
		return err
	}
	brain, err := j.mask(j.brain, scan)
	if err != nil {
		return err
	}
	lesions, err := j.mask(j.lesions, scan)
	if err != nil {
		return err
	}
	rec := augmentRecord{Image: j.in, Preset: j.preset, Normalize: j.normalize}
	if j.preset != "" {
		rec.Seed = &j.seed
	}
	if rec.Unit, err = j.unit(scan, brain); err != nil {
		return err
	}
	grid := scan.Canonical()
	if rec.Variants, err = j.variants(grid.Size, grid.Affine.Spacing()); err != nil {
		return err
	}
	if err := cli.CheckPaths(cmd, func(p *outfile.Plan) { // with the names that are known now
		for _, v := range rec.Variants {
			p.Write("--out", v.File, cli.Images...)
		}
	}); err != nil {
		return err
	}
	dev, err := cli.OpenDevice(cmd, j.device)
	if err != nil {
		return err
	}
	defer dev.Close()
	j.hint(scan, rec)
	var files outfile.Set
	defer files.Discard()
	panels := []report.Panel{{Name: "original", Volume: scan}}
	bar := cli.NewProgress("augmenting", len(rec.Variants))
	defer bar.Shut()
	canonical := volume.Canonical(scan)
	for n, v := range rec.Variants {
		if err := cmd.Context().Err(); err != nil {
			return err
		}
		out, err := applyRecipe(dev, v.Recipe.Scaled(rec.Unit), canonical, scan)
		if err != nil {
			return err
		}
		if err := volume.WriteIn(&files, v.File, out, volume.Float32); err != nil {
			return err
		}
		if j.montage != "" {
			panels = append(panels, report.Panel{Name: j.label(n, v.Recipe), Volume: out})
		}
		bar.Set(n+1, "")
	}
	if j.record != "" {
		if err := cli.WriteJSON(&files, j.record, rec); err != nil {
			return err
		}
	}
	if j.montage != "" {
		img, err := report.MontagePicture(&report.Montage{Panels: panels, Brain: brain.Volume(), Lesions: lesions.Volume()})
		if err != nil {
			return err
		}
		if err := report.WritePNGIn(&files, j.montage, img); err != nil {
			return err
		}
	}
	if err := files.Commit(); err != nil {
		return err
	}
	if j.asJSON {
		return cli.PrintJSON(rec)
	}
	for _, v := range rec.Variants {
		fmt.Fprintf(cli.Out, "%s  %s\n", text.Clean(v.File), describe(v.Recipe))
	}
	return nil
}

// mask reads a mask on the grid of the scan; nil for no path.
func (j *augmentJob) mask(path string, scan *volume.Volume) (*volume.Mask, error) {
	if path == "" {
		return nil, nil
	}
	m, err := volume.ReadMask(path)
	if err != nil {
		return nil, err
	}
	return m.On(scan)
}

// variants are the files to write and their recipes.
func (j *augmentJob) variants(size [3]int, spacing [3]float64) (list []augmentVariant, err error) {
	if j.transform != "" {
		one, err := augment.Parse(j.transform, []byte(j.params))
		if err != nil {
			return nil, err
		}
		if m, ok := one.(augment.Motion); ok && m.Affine == nil { // turn about the centre, in millimetres
			affine := augment.Centred(size, spacing)
			m.Affine = &affine
			one = m
		}
		r := augment.Recipe{one}
		return []augmentVariant{{j.out, r}}, r.Check(size)
	}
	rules := []augment.Preset{}
	if j.each {
		rules = j.rules.Each()
	} else {
		for range j.count {
			rules = append(rules, j.rules)
		}
	}
	for n, p := range rules {
		s := rng.New(j.seed, "augment", n+1)
		var r augment.Recipe
		if perm, flip := p.DrawOrientation(s, size); perm != [3]int{0, 1, 2} || flip != [3]bool{} {
			r = append(r, augment.Orient{Perm: perm, Flip: flip})
		}
		r = append(r, p.DrawSpaced(s, size, spacing)...)
		list = append(list, augmentVariant{Recipe: r})
	}
	if j.each {
		for _, r := range j.turns() {
			list = append(list, augmentVariant{Recipe: r})
		}
	}
	for n := range list {
		list[n].File = numbered(j.out, n+1, len(list))
	}
	return list, nil
}

// turns are examples of the preset's orientations: a mirrored scan and a rotated one.
func (j *augmentJob) turns() []augment.Recipe {
	s := rng.New(j.seed, "augment", "turns")
	switch j.rules.Orientation {
	case augment.MirrorX:
		return []augment.Recipe{{augment.Flip{Axes: []int{0}}}}
	case augment.AllOrientations:
		a := s.Intn(3)
		return []augment.Recipe{
			{augment.Flip{Axes: []int{s.Intn(3)}}},
			{augment.Rot90{K: 1 + s.Intn(3), Axes: [2]int{a, (a + 1) % 3}}},
		}
	}
	return nil
}

// applyRecipe is the recipe's image of a canonical scan, in the order and with the header
// of the file.
func applyRecipe(dev device.ImagingBackend, r augment.Recipe, canonical, file *volume.Volume) (*volume.Volume, error) {
	x := augment.ToDevice(dev, canonical)
	grid := canonical.Grid
	for _, t := range r {
		grid.Size = t.OutSize(grid.Size)
		y := dev.Alloc(device.Shape{N: 1, D: grid.Size[0], H: grid.Size[1], W: grid.Size[2], C: 1})
		t.Apply(dev, y, x)
		dev.Free(x)
		x = y
	}
	moved := augment.FromDevice(dev, x, grid)
	dev.Free(x)
	if err := dev.Sync(); err != nil {
		return nil, err
	}
	g := file.Grid
	for a, w := range g.Affine.Orientation().World {
		g.Size[a] = grid.Size[w]
	}
	out := volume.FromCanonical(moved, g)
	out.Source, out.Path = file.Source, file.Path
	return out, nil
}

// hint warns of noise that nobody would see.
func (j *augmentJob) hint(scan *volume.Volume, rec augmentRecord) {
	if rec.Normalize != string(volume.NoScale) {
		return
	}
	top := volume.Percentile(scan.Data, 99)
	for _, v := range rec.Variants {
		for _, t := range v.Recipe {
			if n, ok := t.(augment.Noise); ok && n.Sigma < top/1000 {
				slog.Warn("the noise is below a thousandth of the scan's bright values; --normalize kde counts sigma in units of the brain's peak",
					"sigma", n.Sigma, "99th percentile", top)
				return
			}
		}
	}
}

// describe is a recipe in one line.
func describe(r augment.Recipe) string {
	var parts []string
	for _, t := range r {
		parts = append(parts, t.String())
	}
	if len(parts) == 0 {
		return "unchanged"
	}
	return strings.Join(parts, "; ")
}

// label names a variant in a montage.
func (j *augmentJob) label(n int, r augment.Recipe) string {
	if j.transform != "" || j.each {
		name, details, _ := strings.Cut(describe(r), ", ")
		return name + "\n" + details
	}
	return fmt.Sprintf("variant %d\n", n+1) + strings.ReplaceAll(describe(r), "; ", "\n")
}
