package report

import (
	"fmt"
	"image"
	"image/color"
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

// Convention states on which side of a picture the patient's left is.
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

// frame is a view on a grid: which axes run across and down, and where a pixel is.
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

// pixel is where voxel position (u across, v down) is, in pixels from the corner.
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

// Scan is an image made ready to be shown: in canonical order, with a grey
// scale that suits the brain and the box around it.
type Scan struct {
	vol       *volume.Volume // canonical: axes to the right, the front and up
	low, high float64        // shown black and white
	box       Box            // around the brain
}

// Box is a range of voxels on a canonical grid: Min inside, Max outside.
type Box struct{ Min, Max [3]int }

// NewScan prepares v, with the GreyScale of the voxels in brain; a nil brain means the
// non-zero voxels of a skull-stripped image, or what is brighter than the air of
// another one. NaN and infinite voxels are shown black. The error is for a mask on
// another grid.
func NewScan(v, brain *volume.Volume) (*Scan, error) {
	if brain != nil {
		if err := volume.SameSpace(v, brain); err != nil {
			return nil, err
		}
	}
	s := &Scan{vol: volume.Canonical(v)}
	var inside []bool
	if brain != nil {
		inside = volume.Canonical(brain).NonZero().Data
	} else if found, err := volume.BrainMask(s.vol); err == nil {
		inside = found.Data
	} else { // an image with skull, or an empty one
		inside = brighterThanAir(s.vol)
	}
	s.low, s.high = GreyScale(s.vol.Data, inside)
	s.box = bounds(inside, s.vol.Grid)
	return s, nil
}

// GreyScale returns the intensities that are shown black and white: the 0.5th
// percentile of the voxels inside, and so much above the 99.8th that bright lesions
// keep their texture, a fifth of the range. It looks at no more than about 2¹⁸ voxels,
// at equal distances, and leaves out NaN and infinite ones.
func GreyScale(data []float32, inside []bool) (black, white float64) {
	values := sample(data, inside)
	if len(values) == 0 {
		values = sample(data, nil)
	}
	if len(values) == 0 { // not one finite voxel
		return 0, 1
	}
	low, high := volume.Percentile(values, 0.5), volume.Percentile(values, 99.8)
	if high == low { // one value everywhere: show it against 0
		low, high = min(low, 0), max(high, 0)
	}
	if high == low {
		return low, low + 1
	}
	return low, low + 1.2*(high-low)
}

// sample returns finite values of the voxels inside, of all for nil.
func sample(data []float32, inside []bool) []float32 {
	const enough = 1 << 18
	n := len(data)
	if inside != nil {
		n = 0
		for _, in := range inside {
			if in {
				n++
			}
		}
	}
	step, seen := 1+n/enough, 0
	values := make([]float32, 0, n/step+1)
	for x, f := range data {
		if inside != nil && !inside[x] {
			continue
		}
		if seen%step == 0 && !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0) {
			values = append(values, f)
		}
		seen++
	}
	return values
}

// brighterThanAir is true above a tenth of the way from the 1st to the 99th
// percentile.
func brighterThanAir(v *volume.Volume) []bool {
	out := make([]bool, len(v.Data))
	values := sample(v.Data, nil)
	if len(values) == 0 {
		return out
	}
	low, high := volume.Percentile(values, 1), volume.Percentile(values, 99)
	for x, f := range v.Data {
		out[x] = float64(f) > low+0.1*(high-low)
	}
	return out
}

// bounds is the box around the true voxels with 3 mm to spare; everything where
// there is none.
func bounds(mask []bool, g volume.Grid) Box {
	b := Box{Min: g.Size}
	for k := range g.Size[2] {
		for j := range g.Size[1] {
			row := mask[g.Index(0, j, k):][:g.Size[0]]
			for i, in := range row {
				if in {
					for d, n := range [3]int{i, j, k} {
						b.Min[d], b.Max[d] = min(b.Min[d], n), max(b.Max[d], n+1)
					}
				}
			}
		}
	}
	if b.Max[0] == 0 {
		return Box{Max: g.Size}
	}
	spacing := g.Affine.Spacing()
	for d := range 3 {
		spare := int(math.Ceil(3 / spacing[d]))
		b.Min[d], b.Max[d] = max(0, b.Min[d]-spare), min(g.Size[d], b.Max[d]+spare)
	}
	return b
}

// grey is the brightness of an intensity, 0 to 255.
func (s *Scan) grey(x float64) uint8 {
	return uint8(math.Round(255 * min(max((x-s.low)/(s.high-s.low), 0), 1)))
}

// Overlay is what is drawn over a scan: a mask, a comparison of two masks, or a
// probability map.
type Overlay struct {
	Fill    float64 // opacity of the inside of a mask, 0 to 1
	Outline int     // width of a mask's edge in pixels, drawn inside the mask

	of     *volume.Volume // canonical; for its grid, name and probabilities
	class  []uint8        // of each voxel: 0 nothing, else colours[class-1]; nil for a probability map
	colors []color.RGBA
	least  float64 // probabilities below it are not drawn
}

// How masks are drawn unless the caller sets something else: the edge in full
// colour and the intensities still visible inside.
const (
	defaultFill    = 0.45
	defaultOutline = 2
)

// Mask shows the non-zero voxels of mask in one colour, for instance Predicted.
func Mask(mask *volume.Volume, c color.RGBA) *Overlay {
	m := volume.Canonical(mask)
	class := make([]uint8, len(m.Data))
	for x, in := range m.NonZero().Data {
		if in {
			class[x] = 1
		}
	}
	return &Overlay{Fill: defaultFill, Outline: defaultOutline, of: m, class: class, colors: []color.RGBA{c}}
}

// Comparison shows pred against truth in the colours of the paper's Figure 6:
// TruePositive, FalseNegative, FalsePositive. The error is for masks on different
// grids.
func Comparison(pred, truth *volume.Volume) (*Overlay, error) {
	if err := volume.SameSpace(truth, pred); err != nil {
		return nil, err
	}
	p := volume.Canonical(pred)
	inPred, inTruth := p.NonZero().Data, volume.Canonical(truth).NonZero().Data
	class := make([]uint8, len(p.Data))
	for x := range class {
		switch {
		case inPred[x] && inTruth[x]:
			class[x] = 1
		case inTruth[x]:
			class[x] = 2
		case inPred[x]:
			class[x] = 3
		}
	}
	return &Overlay{
		Fill: defaultFill, Outline: defaultOutline, of: p, class: class,
		colors: []color.RGBA{TruePositive, FalseNegative, FalsePositive},
	}, nil
}

// HeatMap shows probabilities from least up in the colours of Heat, the more opaque the higher.
func HeatMap(prob *volume.Volume, least float64) *Overlay {
	return &Overlay{Fill: 0.85, of: volume.Canonical(prob), least: least}
}

func (o *Overlay) draw(img *image.RGBA, f *frame) {
	if o.class == nil {
		o.drawHeat(img, f)
		return
	}
	class := o.classes(f)
	for y := range f.height {
		for x := range f.width {
			c := class[y*f.width+x]
			if c == 0 {
				continue
			}
			opacity := o.Fill
			if o.edge(class, f, x, y) {
				opacity = 1
			}
			if opacity > 0 {
				img.SetRGBA(x, y, blend(img.RGBAAt(x, y), o.colors[c-1], opacity))
			}
		}
	}
}

// classes is the class of the voxel under each pixel.
func (o *Overlay) classes(f *frame) []uint8 {
	u := make([]int, f.width)
	for x := range u {
		u[x] = nearest(f.column(x), f.lo[0], f.hi[0])
	}
	class := make([]uint8, f.width*f.height)
	for y := range f.height {
		v := nearest(f.row(y), f.lo[1], f.hi[1])
		for x := range f.width {
			class[y*f.width+x] = o.class[f.index(o.of.Grid, u[x], v)]
		}
	}
	return class
}

func nearest(position float64, lo, hi int) int {
	return min(max(int(math.Round(position)), lo), hi-1)
}

// edge reports whether a pixel of another class is less than the outline's width away,
// along the rows and columns. The picture's border is no edge.
func (o *Overlay) edge(class []uint8, f *frame, x, y int) bool {
	c := class[y*f.width+x]
	for d := 1; d <= o.Outline; d++ {
		if x >= d && class[y*f.width+x-d] != c || x+d < f.width && class[y*f.width+x+d] != c ||
			y >= d && class[(y-d)*f.width+x] != c || y+d < f.height && class[(y+d)*f.width+x] != c {
			return true
		}
	}
	return false
}

// drawHeat interpolates the probabilities linearly.
func (o *Overlay) drawHeat(img *image.RGBA, f *frame) {
	for y := range f.height {
		v := f.row(y)
		for x := range f.width {
			p := o.linear(f, f.column(x), v)
			if !(p >= o.least) || p <= 0 {
				continue
			}
			img.SetRGBA(x, y, blend(img.RGBAAt(x, y), Heat(p), o.Fill*min(1, 0.45+0.55*p)))
		}
	}
}

// linear is the probability at voxel position (u, v) of the slice.
func (o *Overlay) linear(f *frame, u, v float64) float64 {
	nu, nv := o.of.Size[f.across], o.of.Size[f.down]
	u, v = min(max(u, 0), float64(nu-1)), min(max(v, 0), float64(nv-1))
	u0, v0 := int(u), int(v)
	u1, v1 := min(u0+1, nu-1), min(v0+1, nv-1)
	at := func(u, v int) float64 { return float64(o.of.Data[f.index(o.of.Grid, u, v)]) }
	fu, fv := u-float64(u0), v-float64(v0)
	return (1-fv)*((1-fu)*at(u0, v0)+fu*at(u1, v0)) + fv*((1-fu)*at(u0, v1)+fu*at(u1, v1))
}
