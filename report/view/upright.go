package view

import (
	"math"

	"voxgrad/volume"
)

// NiiVue shows the planes of a scan's own voxels. Where these are tilted, two scans
// would show different planes under one crosshair, so that scans are brought upright
// for the page.

// tilt is how far the voxel axes of g lead away from those of the world: in mm from
// one end of the image to the other, and in degrees.
func tilt(g volume.Grid) (mm, degrees float64) {
	c := g.Canonical()
	spacing := c.Affine.Spacing()
	for axis := range 3 {
		for r := range 3 {
			if r != axis {
				mm = max(mm, math.Abs(c.Affine[r][axis])*float64(c.Size[axis]-1))
			}
		}
		cos := math.Abs(c.Affine[axis][axis]) / spacing[axis]
		degrees = max(degrees, math.Acos(min(1, cos))*180/math.Pi)
	}
	return mm, degrees
}

// upright is v resampled along the world's axes, over all of its field of view: voxels
// as far apart as those of v, but at most 2 mm. A scan that is tilted by less than
// 0.5 mm is v itself. Intensities that were whole numbers are rounded to such.
func upright(v *volume.Volume) (up *volume.Volume, degrees float64) {
	mm, degrees := tilt(v.Grid)
	if mm < 0.5 {
		return v, 0
	}
	low, high := [3]float64{math.Inf(1), math.Inf(1), math.Inf(1)}, [3]float64{math.Inf(-1), math.Inf(-1), math.Inf(-1)}
	for corner := range 8 {
		var at [3]float64
		for axis := range 3 {
			at[axis] = -0.5 + float64(corner>>axis&1)*float64(v.Size[axis])
		}
		p := v.World(at[0], at[1], at[2])
		for axis := range 3 {
			low[axis], high[axis] = min(low[axis], p[axis]), max(high[axis], p[axis])
		}
	}
	const most = 1 << 27 // voxels; a browser holds four bytes and more of each
	g := volume.Grid{}
	for coarser := 1.0; ; coarser *= 1.25 {
		voxels := 1.0
		for axis, step := range v.Grid.Canonical().Affine.Spacing() {
			step = min(step, 2) * coarser
			n := math.Ceil((high[axis] - low[axis]) / step)
			voxels *= n
			g.Size[axis] = int(n)
			g.Affine[axis] = [4]float64{}
			g.Affine[axis][axis] = step
			g.Affine[axis][3] = (low[axis]+high[axis])/2 - step*(n-1)/2
		}
		if voxels <= most {
			break
		}
	}
	up = volume.Resample(v, g, volume.Linear, 0)
	if storage(v) != volume.Float32 {
		for x, f := range up.Data {
			up.Data[x] = float32(math.Round(float64(f)))
		}
	}
	return up, degrees
}

// padded is v with a border of one voxel of zeros: a mask that reaches the border
// of its grid would be drawn on beyond it by NiiVue.
func padded(v *volume.Volume) *volume.Volume {
	g := volume.Grid{Size: [3]int{v.Size[0] + 2, v.Size[1] + 2, v.Size[2] + 2}, Affine: v.Affine}
	for r, p := range v.World(-1, -1, -1) {
		g.Affine[r][3] = p
	}
	out := volume.New(g)
	out.Path = v.Path
	for k := range v.Size[2] {
		for j := range v.Size[1] {
			row := v.Data[v.Index(0, j, k):][:v.Size[0]]
			copy(out.Data[g.Index(1, j+1, k+1):], row)
		}
	}
	return out
}
