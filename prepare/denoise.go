package prepare

import (
	"fmt"
	"math"

	"voxgrad/internal/par"
	"voxgrad/volume"
)

// Denoise takes Rician noise out of a scan, as magnitude images have it, by non-local means
// (Coupé et al., IEEE Trans. Medical Imaging 27 (2008); Wiest-Daesslé et al., MICCAI 2008):
// the square of a voxel becomes the mean of the squares of its surroundings, weighted by how
// alike the patches around are, less the 2σ² by which the noise raises it. Sigma is the
// standard deviation of the noise in the units of the scan; see NoiseLevel.
func Denoise(v *volume.Volume, sigma float64) (*volume.Volume, error) {
	if err := v.CheckFinite(); err != nil {
		return nil, err
	}
	if !(sigma >= 0) || math.IsInf(sigma, 1) {
		return nil, fmt.Errorf("%s: noise of %g cannot be taken out: it must be a finite number of at least 0", v.Name(), sigma)
	}
	out := v.Like()
	copy(out.Data, v.Data)
	if sigma == 0 {
		return out, nil
	}
	n := newMeans(v, sigma)
	par.For(n.slabs(), n.slab)
	bias := float32(2 * sigma * sigma)
	for i, w := range n.weight {
		if v.Data[i] > 0 {
			out.Data[i] = float32(math.Sqrt(float64(max(n.sum[i]/w-bias, 0))))
		}
	}
	return out, nil
}

const (
	denoiseReach = 3   // voxels to each side that are searched
	denoisePatch = 1   // voxels to each side of a patch
	denoiseWidth = 0.5 // of the weights, in units of the noise

	slabDepth = 4 // slices worked on at a time
)

// means adds up weighted squares. Each slab of slices is done by itself, from all shifts, so
// that the sums have the same order on any number of cores.
type means struct {
	v           *volume.Volume
	scale       float32 // of a patch's mean squared difference
	sum, weight []float32
}

func newMeans(v *volume.Volume, sigma float64) *means {
	// Two noisy patches of the same tissue differ by 2σ² in the mean.
	return &means{
		v: v, scale: float32(1 / (2 * sigma * sigma * denoiseWidth)),
		sum: make([]float32, len(v.Data)), weight: make([]float32, len(v.Data)),
	}
}

func (m *means) slabs() int { return (m.v.Size[2] + slabDepth - 1) / slabDepth }

// slab fills the sums of some slices.
func (m *means) slab(s int) {
	nx, ny, nz := m.v.Size[0], m.v.Size[1], m.v.Size[2]
	lo, hi := s*slabDepth, min((s+1)*slabDepth, nz)
	slice := nx * ny
	sum, weight := m.sum[lo*slice:hi*slice], m.weight[lo*slice:hi*slice]
	most := make([]float32, len(sum)) // the largest weight of another voxel, which is that of the voxel itself
	// Squared differences of the slab and the patches' reach around it, then their box sums.
	depth := hi - lo + 2*denoisePatch
	diff, box := make([]float32, depth*slice), make([]float32, depth*slice)
	reach := [3]int{min(denoiseReach, nx-1), min(denoiseReach, ny-1), min(denoiseReach, nz-1)}
	for dz := -reach[2]; dz <= reach[2]; dz++ {
		for dy := -reach[1]; dy <= reach[1]; dy++ {
			for dx := -reach[0]; dx <= reach[0]; dx++ {
				if dx == 0 && dy == 0 && dz == 0 {
					continue
				}
				m.differences(diff, lo-denoisePatch, dx, dy, dz)
				boxSums(diff, box, nx, ny, depth)
				m.add(sum, weight, most, diff[denoisePatch*slice:], lo, dx, dy, dz)
			}
		}
	}
	for i, x := range m.v.Data[lo*slice : hi*slice] {
		w := most[i]
		if w == 0 {
			w = 1
		}
		sum[i] += w * x * x
		weight[i] += w
	}
}

// differences fills diff with the squared differences between voxels of the slices from z0 on
// and those shifted by dx, dy, dz; positions are held inside the image, for both alike.
func (m *means) differences(diff []float32, z0, dx, dy, dz int) {
	nx, ny, nz := m.v.Size[0], m.v.Size[1], m.v.Size[2]
	slice := nx * ny
	inside := func(x, n int) int { return min(max(x, 0), n-1) }
	for k := range len(diff) / slice {
		z := inside(z0+k, nz)
		zs := inside(z+dz, nz)
		for y := range ny {
			a := m.v.Data[z*slice+y*nx:][:nx]
			b := m.v.Data[zs*slice+inside(y+dy, ny)*nx:][:nx]
			d := diff[k*slice+y*nx:][:nx]
			lo, hi := max(0, -dx), min(nx, nx-dx)
			for x := range lo {
				t := a[x] - b[inside(x+dx, nx)]
				d[x] = t * t
			}
			for x, p := range b[lo+dx : hi+dx] {
				t := a[lo+x] - p
				d[lo+x] = t * t
			}
			for x := hi; x < nx; x++ {
				t := a[x] - b[nx-1]
				d[x] = t * t
			}
		}
	}
}

// boxSums replaces diff by the means over 3³ voxels, the border repeated, of all slices but
// the first and the last; box is scratch of the same size.
func boxSums(diff, box []float32, nx, ny, depth int) {
	slice := nx * ny
	for row := 0; row < len(diff); row += nx {
		d, b := diff[row:row+nx], box[row:row+nx]
		b[0] = d[0] + d[0] + d[min(1, nx-1)]
		for x := 1; x < nx-1; x++ {
			b[x] = d[x-1] + d[x] + d[x+1]
		}
		if nx > 1 {
			b[nx-1] = d[nx-2] + d[nx-1] + d[nx-1]
		}
	}
	for k := range depth {
		for y := range ny {
			a := box[k*slice+max(y-1, 0)*nx:][:nx]
			b := box[k*slice+y*nx:][:nx]
			c := box[k*slice+min(y+1, ny-1)*nx:][:nx]
			d := diff[k*slice+y*nx:][:nx]
			for x := range d {
				d[x] = a[x] + b[x] + c[x]
			}
		}
	}
	for k := 1; k < depth-1; k++ {
		a, b, c := diff[(k-1)*slice:][:slice], diff[k*slice:][:slice], diff[(k+1)*slice:][:slice]
		d := box[k*slice:][:slice]
		for x := range d {
			d[x] = (a[x] + b[x] + c[x]) * (1.0 / 27)
		}
	}
	copy(diff[slice:(depth-1)*slice], box[slice:(depth-1)*slice])
}

// expTable is the values of exp(−x) at steps of weightStep.
const (
	weightStep = 1.0 / 64
	weightEnd  = 8 // beyond, a patch counts nothing
)

var expTable = func() (w [weightEnd/weightStep + 2]float32) {
	for i := range w {
		w[i] = float32(math.Exp(-float64(i) * weightStep))
	}
	return w
}()

// add adds the squares of the voxels shifted by dx, dy, dz with the weights of their patches'
// distances.
func (m *means) add(sum, weight, most, distance []float32, lo, dx, dy, dz int) {
	nx, ny, nz := m.v.Size[0], m.v.Size[1], m.v.Size[2]
	slice := nx * ny
	scale := m.scale / weightStep
	for k := range len(sum) / slice {
		z := lo + k + dz
		if z < 0 || z >= nz {
			continue
		}
		for y := max(0, -dy); y < min(ny, ny-dy); y++ {
			x0, x1 := max(0, -dx), min(nx, nx-dx)
			at := k*slice + y*nx
			other := m.v.Data[z*slice+(y+dy)*nx:][:nx]
			for x := x0; x < x1; x++ {
				f := distance[at+x] * scale
				if !(f < weightEnd/weightStep) {
					continue
				}
				n := int(f)
				t := f - float32(n)
				w := expTable[n] + t*(expTable[n+1]-expTable[n])
				p := other[x+dx]
				sum[at+x] += w * p * p
				weight[at+x] += w
				most[at+x] = max(most[at+x], w)
			}
		}
	}
}
