package volume

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"voxgrad/internal/infile"
	"voxgrad/internal/warn"
)

// maxITK bounds a transform file; an affine one has some 200 bytes.
const maxITK = 1 << 20

// ReadITK reads an affine transform from an ITK text file (.txt, .tfm; "#Insight
// Transform File V1.0"), as written by ITK, SimpleITK, ANTs and Slicer. The file speaks
// of LPS coordinates, the result of NIfTI's. It holds one transform of three
// dimensions: Affine, MatrixOffsetTransformBase, Euler3D, VersorRigid3D,
// QuaternionRigid, Similarity3D, Translation or Identity.
func ReadITK(path string) (Transform, error) {
	b, err := infile.Read(path, maxITK)
	if err != nil {
		return Transform{}, err
	}
	t, err := parseITK(b)
	if err != nil {
		return Transform{}, fmt.Errorf("%s: %w", path, err)
	}
	switch d := t.Det(); {
	case d < 0:
		warn.Once("%s: the transform mirrors, so that left and right change sides; a registration of two scans of one head does not: is it the right file?", path)
	case d < 0.5 || d > 2:
		warn.Once("%s: the transform changes volumes by a factor of %.3g; a registration of two scans of one head hardly does: is it the right file?", path, d)
	}
	return t, nil
}

func parseITK(b []byte) (t Transform, err error) {
	if len(b) > maxITK {
		return t, errors.New("is too long for an affine ITK transform")
	}
	if !bytes.HasPrefix(b, []byte("#Insight Transform File V1.0")) {
		return t, errors.New(`is not an ITK text transform: it does not begin with "#Insight Transform File V1.0"; convert binary (.mat) and HDF5 (.h5) transforms to .txt or .tfm`)
	}
	name, fields := "", map[string][]float64{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			return t, fmt.Errorf("does not understand the line %.60q", line)
		}
		switch key {
		case "Transform":
			if name != "" {
				return t, errors.New("holds more than one transform; a single affine one is needed")
			}
			name = strings.TrimSpace(value)
		case "Parameters", "FixedParameters":
			if _, twice := fields[key]; twice {
				return t, fmt.Errorf("has %s twice", key)
			}
			if fields[key], err = numbers(value); err != nil {
				return t, fmt.Errorf("%s: %w", key, err)
			}
		default:
			return t, fmt.Errorf("does not understand the line %.60q", line)
		}
	}
	if name == "" {
		return t, errors.New(`has no line "Transform:"`)
	}
	a, err := itkAffine(name, fields["Parameters"], fields["FixedParameters"])
	if err != nil {
		return t, err
	}
	if err := a.check(); err != nil {
		return t, fmt.Errorf("the transform %w", err)
	}
	return a.fromLPS(), nil
}

func numbers(s string) ([]float64, error) {
	out := []float64{} // present, even where empty
	for _, w := range strings.Fields(s) {
		x, err := strconv.ParseFloat(w, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("%.30q is not a finite number", w)
		}
		out = append(out, x)
	}
	return out, nil
}

// itkAffine is x → M (x − c) + c + t in LPS, with M, c, t as the class of the
// transform lays them out in its parameters.
func itkAffine(name string, par, fixed []float64) (a Affine, err error) {
	kind, _, _ := strings.Cut(name, "_")
	if rest, ok := strings.CutPrefix(name, kind); !ok || rest != "_double_3_3" && rest != "_float_3_3" {
		return a, fmt.Errorf("the transform %.60q is not one between three dimensions", name)
	}
	counts := map[string]int{"AffineTransform": 12, "MatrixOffsetTransformBase": 12, "Rigid3DTransform": 12,
		"Euler3DTransform": 6, "VersorRigid3DTransform": 6, "QuaternionRigidTransform": 7,
		"Similarity3DTransform": 7, "TranslationTransform": 3, "IdentityTransform": 0}
	want, ok := counts[kind]
	if !ok {
		return a, fmt.Errorf("the transform %.60q is not affine or not supported", name)
	}
	if len(par) != want {
		return a, fmt.Errorf("%s has %d parameters; it needs %d", kind, len(par), want)
	}
	var centre [3]float64
	switch {
	case kind == "TranslationTransform" || kind == "IdentityTransform":
	case len(fixed) == 3 || kind == "Euler3DTransform" && len(fixed) == 4:
		copy(centre[:], fixed)
	default:
		return a, fmt.Errorf("%s has %d fixed parameters; it needs the 3 of its centre", kind, len(fixed))
	}

	m, shift := [3][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, par[max(0, want-3):]
	switch kind {
	case "AffineTransform", "MatrixOffsetTransformBase", "Rigid3DTransform":
		for i := range 9 {
			m[i/3][i%3] = par[i]
		}
	case "Euler3DTransform":
		x, y, z := turn(0, par[0]), turn(1, par[1]), turn(2, par[2])
		m = mul3(z, mul3(x, y))
		if len(fixed) == 4 && fixed[3] != 0 { // its flag "compute ZYX"
			m = mul3(z, mul3(y, x))
		}
	case "VersorRigid3DTransform", "Similarity3DTransform":
		x, y, z := par[0], par[1], par[2]
		n := x*x + y*y + z*z
		if n > 1+1e-6 {
			return a, fmt.Errorf("%s: the versor (%g, %g, %g) is longer than 1", kind, x, y, z)
		}
		m = rotation(math.Sqrt(max(0, 1-n)), x, y, z)
		if kind == "Similarity3DTransform" {
			shift = par[3:6]
			for r := range 3 {
				for c := range 3 {
					m[r][c] *= par[6]
				}
			}
		}
	case "QuaternionRigidTransform":
		x, y, z, w := par[0], par[1], par[2], par[3]
		n := math.Sqrt(x*x + y*y + z*z + w*w)
		if !(math.Abs(n-1) < 1e-3) {
			return a, fmt.Errorf("%s: the quaternion has length %g, not 1", kind, n)
		}
		m = rotation(w/n, x/n, y/n, z/n)
	}
	for r := range 3 {
		a[r][3] = centre[r]
		if want > 0 {
			a[r][3] += shift[r]
		}
		for c := range 3 {
			a[r][c] = m[r][c]
			a[r][3] -= m[r][c] * centre[c]
		}
	}
	return a, nil
}

// turn is the rotation by an angle in radians about a coordinate axis.
func turn(axis int, angle float64) (m [3][3]float64) {
	s, c := math.Sincos(angle)
	p, q := (axis+1)%3, (axis+2)%3
	m[axis][axis] = 1
	m[p][p], m[p][q] = c, -s
	m[q][p], m[q][q] = s, c
	return m
}

func mul3(a, b [3][3]float64) (c [3][3]float64) {
	for i := range 3 {
		for j := range 3 {
			c[i][j] = a[i][0]*b[0][j] + a[i][1]*b[1][j] + a[i][2]*b[2][j]
		}
	}
	return c
}

// fromLPS is a, given in LPS coordinates, in NIfTI's RAS: x and y change sign
// before and after.
func (a Affine) fromLPS() Affine {
	flip := Affine{{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 1, 0}}
	return flip.Mul(a).Mul(flip)
}
