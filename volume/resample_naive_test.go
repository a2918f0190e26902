package volume

import "math"

// naiveSample is the value of the image at a voxel position by the definition in
// Resample's comment, in float64. coef are the image's spline coefficients.
func naiveSample(v *Volume, coef []float64, p [3]float64, in Interp, outside float64) float64 {
	for a, n := range v.Size {
		if p[a] < -0.5 || p[a] > float64(n)-0.5 {
			return outside
		}
	}
	sum := 0.0
	weight := func(d float64) float64 { return 0 }
	reach := 1
	switch in {
	case Nearest:
		var q [3]int
		for a, n := range v.Size {
			q[a] = max(0, min(n-1, int(math.Floor(p[a]+0.5))))
		}
		return float64(v.At(q[0], q[1], q[2]))
	case Linear:
		weight = func(d float64) float64 { return max(0, 1-math.Abs(d)) }
		for a, n := range v.Size {
			p[a] = max(0, min(float64(n-1), p[a]))
		}
	case Cubic:
		reach = 2
		weight = func(d float64) float64 {
			switch d = math.Abs(d); {
			case d < 1:
				return 2.0/3 - d*d + d*d*d/2
			case d < 2:
				return (2 - d) * (2 - d) * (2 - d) / 6
			}
			return 0
		}
	}
	var base [3]int
	for a := range base {
		base[a] = int(math.Floor(p[a]))
	}
	for k := base[2] - reach; k <= base[2]+reach+1; k++ {
		for j := base[1] - reach; j <= base[1]+reach+1; j++ {
			for i := base[0] - reach; i <= base[0]+reach+1; i++ {
				w := weight(p[0]-float64(i)) * weight(p[1]-float64(j)) * weight(p[2]-float64(k))
				if w == 0 {
					continue
				}
				at := v.Index(bounce(i, v.Size[0]), bounce(j, v.Size[1]), bounce(k, v.Size[2]))
				if in == Cubic {
					sum += w * coef[at]
				} else {
					sum += w * float64(v.Data[at])
				}
			}
		}
	}
	return sum
}

// bounce walks back and forth between the ends.
func bounce(i, n int) int {
	for n > 1 && (i < 0 || i >= n) {
		if i < 0 {
			i = -i
		} else {
			i = 2*(n-1) - i
		}
	}
	return max(0, min(n-1, i))
}

// naiveCoefficients solves the interpolation equations themselves, by Gaussian
// elimination along each line.
func naiveCoefficients(v *Volume) []float64 {
	c := make([]float64, len(v.Data))
	for i, x := range v.Data {
		c[i] = float64(x)
	}
	stride := 1
	for a := range 3 {
		n := v.Size[a]
		for start := range c {
			if start/stride%n != 0 {
				continue
			}
			m := make([][]float64, n) // the matrix with the right side in column n
			for r := range m {
				m[r] = make([]float64, n+1)
				m[r][r] += 4.0 / 6
				m[r][bounce(r-1, n)] += 1.0 / 6
				m[r][bounce(r+1, n)] += 1.0 / 6
				m[r][n] = c[start+r*stride]
			}
			for r := range m {
				for q := range m {
					if f := m[q][r] / m[r][r]; q != r && f != 0 {
						for k := r; k <= n; k++ {
							m[q][k] -= f * m[r][k]
						}
					}
				}
			}
			for r := range m {
				c[start+r*stride] = m[r][n] / m[r][r]
			}
		}
		stride *= n
	}
	return c
}
