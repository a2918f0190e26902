package volume

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"voxgrad/internal/warn"
)

// Threshold is the probability above which a voxel counts as lesion, unless a user
// chooses another.
const Threshold = 0.5

// Marked reports whether a probability counts as lesion.
func Marked(p float32) bool { return p > Threshold }

// Mask is a set of voxels of a grid: lesions, or the brain. It is what a mask file
// is read into (ReadMask, Volume.Mask) and what everything that works on masks takes.
type Mask struct {
	Grid
	Data []bool // Data[Index(i,j,k)]: the voxel is in the mask

	Path   string  // the file it came from, for messages; "" if it was computed
	Source *Source // the header to write it with, as Volume.Source
}

// NewMask is an empty mask on g.
func NewMask(g Grid) *Mask { return &Mask{Grid: g, Data: make([]bool, g.Len())} }

// Like is an empty mask on m's grid that keeps m's header for writing.
func (m *Mask) Like() *Mask {
	return &Mask{Grid: m.Grid, Data: make([]bool, m.Len()), Source: m.Source}
}

// Name is how to call m in a message.
func (m *Mask) Name() string {
	if m.Path == "" {
		return fmt.Sprintf("a computed mask of %s", times(m.Size))
	}
	return m.Path
}

// At reports whether voxel (i, j, k) is in the mask.
func (m *Mask) At(i, j, k int) bool { return m.Data[m.Index(i, j, k)] }

// Count is the number of voxels in the mask.
func (m *Mask) Count() int {
	n := 0
	for _, in := range m.Data {
		if in {
			n++
		}
	}
	return n
}

// Bounds is the box around the voxels of the mask: lo inside, hi outside; both are 0
// for an empty mask.
func (m *Mask) Bounds() (lo, hi [3]int) {
	lo = m.Size
	for k := range m.Size[2] {
		for j := range m.Size[1] {
			row := m.Data[m.Index(0, j, k):][:m.Size[0]]
			first := slices.Index(row, true)
			if first < 0 {
				continue
			}
			last := len(row) - 1
			for !row[last] {
				last--
			}
			lo = [3]int{min(lo[0], first), min(lo[1], j), min(lo[2], k)}
			hi = [3]int{max(hi[0], last+1), max(hi[1], j+1), max(hi[2], k+1)}
		}
	}
	if hi[0] == 0 {
		lo = [3]int{}
	}
	return lo, hi
}

// Volume is m as zeros and ones; nil for nil.
func (m *Mask) Volume() *Volume {
	if m == nil {
		return nil
	}
	v := &Volume{Grid: m.Grid, Data: make([]float32, len(m.Data)), Path: m.Path, Source: m.Source}
	for x, in := range m.Data {
		if in {
			v.Data[x] = 1
		}
	}
	return v
}

// Resample is m on another grid: interpolated linearly, voxels of one half and more
// are kept, so that a face halfway between two voxels stays. Where the grids share
// their voxels it is m itself in another order. Path and Source are those of m.
func (m *Mask) Resample(to Grid) *Mask { return m.ResampleThrough(to, Identity) }

// ResampleThrough is Resample with a transform between the worlds, as that of an image.
func (m *Mask) ResampleThrough(to Grid, t Transform) *Mask {
	out := &Mask{Grid: to, Data: make([]bool, to.Len()), Path: m.Path, Source: m.Source}
	step := m.Affine.Inverse().Mul(t).Mul(to.Affine)
	if whole, ok := step.wholeVoxels(to.Size); ok {
		eachRow(to, whole, func(n int, p, step [3]float64) {
			nearestRow(out.Data[n:][:to.Size[0]], m.Data, m.Size, p, step, false)
		})
		return out
	}
	for x, f := range ResampleThrough(m.Volume(), to, t, Linear, 0).Data {
		out.Data[x] = f >= 0.5
	}
	return out
}

// ReadMask reads a file that must be a mask; see Volume.Mask.
func ReadMask(path string) (*Mask, error) {
	v, err := Read(path)
	if err != nil {
		return nil, err
	}
	return v.Mask()
}

// ReadMaskAbove is ReadMask; where threshold is not nil, any image is read and the
// voxels above the threshold are the mask.
func ReadMaskAbove(path string, threshold *float64) (*Mask, error) {
	if threshold == nil {
		return ReadMask(path)
	}
	v, err := Read(path)
	if err != nil {
		return nil, err
	}
	return v.Above(*threshold), nil
}

// mask is data as a mask on v's grid.
func (v *Volume) mask(data []bool) *Mask { return &Mask{Grid: v.Grid, Data: data, Source: v.Source} }

// NonZero is the voxels of v that are not 0; NaN is not one of them.
func (v *Volume) NonZero() *Mask {
	m := v.mask(make([]bool, len(v.Data)))
	for x, f := range v.Data {
		m.Data[x] = f != 0 && f == f
	}
	return m
}

// Above is the voxels of v above a threshold; NaN is not.
func (v *Volume) Above(threshold float64) *Mask {
	m := &Mask{Grid: v.Grid, Data: make([]bool, len(v.Data)), Path: v.Path, Source: v.Source}
	for x, f := range v.Data {
		m.Data[x] = float64(f) > threshold
	}
	return m
}

// WholeTolerance is how far from a whole number a value of a mask or a label image
// may be: files that are stored with a scale factor hold 0.9999 for 1.
const WholeTolerance = 0.01

// Mask is v as a mask, by the one rule of what a mask is: its values are whole
// numbers (to WholeTolerance), 0 and at most one other from 1 to 65535. NaN counts
// as 0, with a warning. Everything else is an error that names the file and its
// values: a map of probabilities (one that is near 0 everywhere too), a scan, an image
// of several labels. See Above for an image to be thresholded.
func (v *Volume) Mask() (*Mask, error) {
	labels, err := v.Labels()
	if err != nil {
		return nil, err
	}
	m := &Mask{Grid: v.Grid, Data: make([]bool, len(labels)), Path: v.Path, Source: v.Source}
	one := uint16(0)
	for x, l := range labels {
		if l == 0 {
			continue
		}
		if one == 0 {
			one = l
		}
		if l != one {
			return nil, fmt.Errorf("%s: not a binary mask: %s; make a mask of one of them first", v.Name(), labelList(labels))
		}
		m.Data[x] = true
	}
	return m, nil
}

// Labels are v's values as whole numbers from 0 to 65535, by the rule of Mask but
// for the number of different ones.
func (v *Volume) Labels() ([]uint16, error) {
	if err := checkMask(len(v.Data), v.Size); err != nil {
		return nil, fmt.Errorf("%s: %w", v.Name(), err)
	}
	labels := make([]uint16, len(v.Data))
	nans, some, small, largest := 0, false, 0, float32(0)
	for x, f := range v.Data {
		if f != f {
			nans++
			continue
		}
		n := math.Round(float64(f))
		if !(math.Abs(float64(f)-n) <= WholeTolerance && n >= 0 && n <= math.MaxUint16) {
			return nil, v.noMask(x)
		}
		labels[x] = uint16(n)
		some = some || n > 0
		if f != 0 && n == 0 {
			small, largest = small+1, max(largest, f, -f)
		}
	}
	if !some && small > 0 { // rounding would make an empty mask of it
		return nil, fmt.Errorf("%s: not a binary mask: %d voxels are not 0, but none is above %g (the farthest from 0 by %.3g): a map of probabilities, or a mask stored with a wrong scale? give the mask, or threshold the map first",
			v.Name(), small, WholeTolerance, largest)
	}
	if nans == len(v.Data) {
		return nil, fmt.Errorf("%s: not a mask: every voxel is NaN", v.Name())
	}
	if nans > 0 {
		warn.Once("%s: %d of %d voxels of the mask are NaN; they are taken as 0", v.Name(), nans, len(v.Data))
	}
	return labels, nil
}

// noMask is why v is no mask, with what it holds; x is a voxel that shows it.
func (v *Volume) noMask(x int) error {
	lo, hi := math.Inf(1), math.Inf(-1)
	between, infinite := 0, 0
	for _, f := range v.Data {
		switch g := float64(f); {
		case g != g:
		case math.IsInf(g, 0):
			infinite++
		default:
			lo, hi = min(lo, g), max(hi, g)
			if g > WholeTolerance && g < 1-WholeTolerance {
				between++
			}
		}
	}
	i, j, k := v.voxelAt(x)
	at := fmt.Sprintf("voxel (%d, %d, %d) is %g", i, j, k, v.Data[x])
	switch {
	case infinite > 0:
		return fmt.Errorf("%s: not a mask: %d voxels are infinite; set them to 0 or 1 first", v.Name(), infinite)
	case lo >= -WholeTolerance && hi <= 1+WholeTolerance:
		return fmt.Errorf("%s: not a binary mask: %d voxels hold values between 0 and 1 (%s, the largest %g): a map of probabilities? give the mask, or threshold the map first",
			v.Name(), between, at, hi)
	}
	return fmt.Errorf("%s: not a binary mask: it holds values from %g to %g (%s); a mask holds whole numbers from 0 to 65535: an image in a mask's place? give the mask, or threshold the image first",
		v.Name(), lo, hi, at)
}

// labelList reports which labels an image has: "it holds the labels 1, 2 and 3".
func labelList(labels []uint16) string {
	seen := map[uint16]bool{}
	for _, l := range labels {
		if l != 0 {
			seen[l] = true
		}
	}
	all := make([]int, 0, len(seen))
	for l := range seen {
		all = append(all, int(l))
	}
	slices.Sort(all)
	if len(all) > 12 {
		return fmt.Sprintf("it holds %d different values from %d to %d: an image or many labels in a mask's place", len(all), all[0], all[len(all)-1])
	}
	words := make([]string, len(all))
	for n, l := range all {
		words[n] = fmt.Sprint(l)
	}
	last := len(words) - 1
	return "it holds the labels " + strings.Join(words[:last], ", ") + " and " + words[last]
}

// voxelAt is the voxel at a raster offset.
func (g Grid) voxelAt(x int) (i, j, k int) {
	return x % g.Size[0], x / g.Size[0] % g.Size[1], x / g.Size[0] / g.Size[1]
}
