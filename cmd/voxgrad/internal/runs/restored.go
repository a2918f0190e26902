package runs

import (
	"fmt"
	"image"
	"image/draw"
	"log/slog"
	"path/filepath"
	"slices"

	"voxgrad/report"
	"voxgrad/train"
	"voxgrad/volume"
)

// drawRestored writes restored.png: validation patches before, with noise, as the
// network gives them back, and with its output in the filled voxels alone, which is
// what synthesis takes of it.
func (w *Training) drawRestored() {
	if len(w.restored) == 0 {
		return
	}
	img, err := restoredPicture(w.restored)
	if err == nil {
		err = report.WritePNG(filepath.Join(w.folder, "restored.png"), img)
	}
	if err != nil {
		slog.Warn("cannot draw the restored patches", "reason", err)
	}
	w.restored = nil
}

// restoredPicture is a row for each patch.
func restoredPicture(patches []train.Restored) (image.Image, error) {
	var rows []*image.RGBA
	size := image.Point{}
	for _, p := range patches {
		filled, used := make([]float32, len(p.Filled)), slices.Clone(p.Before)
		for v, in := range p.Filled {
			if in {
				filled[v], used[v] = 1, p.After[v]
			}
		}
		row, err := report.MontagePicture(&report.Montage{
			Title: fmt.Sprintf("epoch %d, validation patch %d, case %s", p.Epoch, p.Number+1, p.Case),
			Panels: []report.Panel{
				{Name: "before", Volume: patchVolume(p.Before, p.Size)},
				{Name: "corrupted", Volume: patchVolume(p.Corrupted, p.Size)},
				{Name: "network's output", Volume: patchVolume(p.After, p.Size)},
				{Name: "filled in", Volume: patchVolume(used, p.Size)},
			},
			Lesions: patchVolume(filled, p.Size),
		})
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
		size.X, size.Y = max(size.X, row.Bounds().Dx()), size.Y+row.Bounds().Dy()
	}
	img := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(img, img.Bounds(), image.NewUniform(rows[0].At(0, 0)), image.Point{}, draw.Src)
	y := 0
	for _, row := range rows {
		draw.Draw(img, row.Bounds().Add(image.Pt(0, y)), row, image.Point{}, draw.Src)
		y += row.Bounds().Dy()
	}
	return img, nil
}

// patchVolume is a patch as an image of 1 mm voxels.
func patchVolume(x []float32, size [3]int) *volume.Volume {
	v := volume.New(volume.Grid{Size: size, Affine: volume.Identity})
	n := 0
	for i := range size[0] {
		for j := range size[1] {
			for k := range size[2] {
				v.Data[v.Index(i, j, k)] = x[n]
				n++
			}
		}
	}
	return v
}
