package report

import (
	"fmt"
	"image"
	"math"

	"voxgrad/volume"
)

// Plane is the direction of a slice.
type Plane int

const (
	Axial    Plane = iota // seen from below or above, front up
	Coronal               // seen from the front or back, head up
	Sagittal              // seen from the side, front to the left, head up
)

// String is "axial", "coronal" or "sagittal".
func (p Plane) String() string { return [...]string{"axial", "coronal", "sagittal"}[p] }

// Convention says on which side of a picture the patient's left is.
type Convention int

const (
	Radiological Convention = iota // the patient's left on the right, as if seen from the feet
	Neurological                   // the patient's left on the left
)

// String is "radiological" or "neurological".
func (c Convention) String() string { return [...]string{"radiological", "neurological"}[c] }

// View is which part of a scan is drawn and how.
type View struct {
	Plane       Plane
	Slice       int // along the plane's normal, on the canonical grid: 0 is leftmost, hindmost or lowest
	Convention  Convention
	Box         Box     // what is shown of the slice; the zero Box is everything
	PixelsPerMM float64 // 0 means 2
	Plain       bool    // without the letters at the sides
}

// frame is a view on a grid: which axes run across and down, and where a pixel lies.
type frame struct {
	normal, across, down int  // canonical axes
	mirror               bool // the across axis runs to the left
	slice                int
	lo, hi               [2]int // voxels across and down
	width, height        int    // pixels
	left, right          string // letters of the sides
}

// maxPixels bounds a picture's side.
const maxPixels = 8192

func newFrame(g volume.Grid, v View) (frame, error) {
	f := frame{slice: v.Slice}
	switch v.Plane {
	case Axial:
		f.normal, f.across, f.down = 2, 0, 1
	case Coronal:
		f.normal, f.across, f.down = 1, 0, 2
	case Sagittal:
		f.normal, f.across, f.down = 0, 1, 2
	default:
		return f, fmt.Errorf("there is no plane %d", v.Plane)
	}
	if v.Plane == Sagittal {
		f.mirror, f.left, f.right = true, "A", "P"
	} else if v.Convention == Radiological {
		f.mirror, f.left, f.right = true, "R", "L"
	} else {
		f.left, f.right = "L", "R"
	}
	if v.Slice < 0 || v.Slice >= g.Size[f.normal] {
		return f, fmt.Errorf("%s slice %d of %d", v.Plane, v.Slice, g.Size[f.normal])
	}
	if v.Box == (Box{}) {
		v.Box.Max = g.Size
	}
	if v.PixelsPerMM == 0 {
		v.PixelsPerMM = 2
	}
	spacing := g.Affine.Spacing()
	for n, axis := range []int{f.across, f.down} {
		f.lo[n], f.hi[n] = max(0, v.Box.Min[axis]), min(g.Size[axis], v.Box.Max[axis])
		if f.lo[n] >= f.hi[n] {
			return f, fmt.Errorf("the box %v–%v holds no voxel", v.Box.Min, v.Box.Max)
		}
	}
	pixels := func(n, axis int) int {
		return int(math.Round(float64(f.hi[n]-f.lo[n]) * spacing[axis] * v.PixelsPerMM))
	}
	f.width, f.height = max(1, pixels(0, f.across)), max(1, pixels(1, f.down))
	if f.width > maxPixels || f.height > maxPixels {
		return f, fmt.Errorf("a picture of %d×%d pixels is too large", f.width, f.height)
	}
	return f, nil
}

// column is the voxel position (not whole) at the centre of pixel column x.
func (f *frame) column(x int) float64 {
	p := (float64(x) + 0.5) / float64(f.width)
	if f.mirror {
		p = 1 - p
	}
	return float64(f.lo[0]) - 0.5 + p*float64(f.hi[0]-f.lo[0])
}

// row is the voxel position at the centre of pixel row y; rows count from the top.
func (f *frame) row(y int) float64 {
	p := 1 - (float64(y)+0.5)/float64(f.height)
	return float64(f.lo[1]) - 0.5 + p*float64(f.hi[1]-f.lo[1])
}

// pixel is where voxel position (u across, v down) lies, in pixels from the corner.
func (f *frame) pixel(u, v float64) (x, y float64) {
	x = (u + 0.5 - float64(f.lo[0])) / float64(f.hi[0]-f.lo[0])
	if f.mirror {
		x = 1 - x
	}
	y = 1 - (v+0.5-float64(f.lo[1]))/float64(f.hi[1]-f.lo[1])
	return x * float64(f.width), y * float64(f.height)
}

// index is the voxel (u, v) of the slice in a canonical volume.
func (f *frame) index(g volume.Grid, u, v int) int {
	var at [3]int
	at[f.normal], at[f.across], at[f.down] = f.slice, u, v
	return g.Index(at[0], at[1], at[2])
}

// Slice draws one slice of s with overlays on it, later ones on top. Intensities
// between voxels are interpolated (Catmull-Rom), overlays keep the voxels' edges. Errors:
// a slice or box outside the scan, an overlay on another grid.
func (s *Scan) Slice(v View, overlays ...*Overlay) (*image.RGBA, error) {
	f, err := newFrame(s.vol.Grid, v)
	if err != nil {
		return nil, fmt.Errorf("drawing %s: %w", s.vol.Name(), err)
	}
	for _, o := range overlays {
		if err := volume.SameSpace(s.vol, o.of); err != nil {
			return nil, err
		}
	}
	img := s.greys(&f)
	for _, o := range overlays {
		o.draw(img, &f)
	}
	if !v.Plain {
		f.letters(img)
	}
	return img, nil
}

// taps are the four voxels around a position and their Catmull-Rom weights; voxels beyond
// the edge of the grid repeat the last one.
type taps struct {
	at     [4]int
	weight [4]float64
}

func newTaps(position float64, n int) (t taps) {
	base := math.Floor(position)
	x := position - base
	t.weight = [4]float64{
		((-0.5*x+1)*x - 0.5) * x,
		(1.5*x-2.5)*x*x + 1,
		((-1.5*x+2)*x + 0.5) * x,
		(0.5*x - 0.5) * x * x,
	}
	for k := range t.at {
		t.at[k] = min(max(int(base)-1+k, 0), n-1)
	}
	return t
}

// greys draws the intensities, first along the rows of voxels, then across them.
func (s *Scan) greys(f *frame) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, f.width, f.height))
	nu, nv := s.vol.Size[f.across], s.vol.Size[f.down]
	across := make([]taps, f.width)
	for x := range across {
		across[x] = newTaps(f.column(x), nu)
	}
	lines := make([][]float64, nv) // a row of voxels at every pixel column, made when needed
	line := func(v int) []float64 {
		if lines[v] == nil {
			lines[v] = make([]float64, f.width)
			for x, t := range across {
				for k, w := range t.weight {
					lines[v][x] += w * s.shown(f.index(s.vol.Grid, t.at[k], v))
				}
			}
		}
		return lines[v]
	}
	for y := range f.height {
		t := newTaps(f.row(y), nv)
		var near [4][]float64
		for k, v := range t.at {
			near[k] = line(v)
		}
		out := img.Pix[y*img.Stride:]
		for x := range f.width {
			sum := 0.0
			for k, w := range t.weight {
				sum += w * near[k][x]
			}
			g := s.grey(sum)
			out[4*x], out[4*x+1], out[4*x+2], out[4*x+3] = g, g, g, 0xff
		}
	}
	return img
}

// shown is the intensity of a voxel, or black where it is not a finite number.
func (s *Scan) shown(index int) float64 {
	x := float64(s.vol.Data[index])
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return s.low
	}
	return x
}
