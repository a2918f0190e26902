package volume

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func itkFile(kind, par, fixed string) string {
	return fmt.Sprintf("#Insight Transform File V1.0\n#Transform 0\nTransform: %s_double_3_3\nParameters: %s\nFixedParameters: %s\n", kind, par, fixed)
}

// Where a transform takes a point of LPS space, worked out by hand.
func TestITKKinds(t *testing.T) {
	half := math.Sqrt(0.5) // sin and cos of 45 degrees: a quarter turn as a versor
	quarter := math.Pi / 2
	for _, c := range []struct {
		kind, par, fixed string
		p, want          [3]float64 // LPS
	}{
		// (p − c) = (1, 2, 3); rows scale, then + c + t.
		{"AffineTransform", "2 0 0 0 1 0.5 0 0 3 10 20 30", "1 1 1", [3]float64{2, 3, 4}, [3]float64{2 + 11, 2 + 1.5 + 21, 9 + 31}},
		{"MatrixOffsetTransformBase", "2 0 0 0 1 0.5 0 0 3 10 20 30", "1 1 1", [3]float64{2, 3, 4}, [3]float64{13, 24.5, 40}},
		{"Rigid3DTransform", "0 -1 0 1 0 0 0 0 1 0 0 0", "0 0 0", [3]float64{1, 2, 3}, [3]float64{-2, 1, 3}},
		{"Euler3DTransform", fmt.Sprint(quarter, " 0 0 1 2 3"), "0 0 0", [3]float64{0, 1, 0}, [3]float64{1, 2, 4}},
		{"Euler3DTransform", fmt.Sprint("0 ", quarter, " 0 0 0 0"), "0 0 0", [3]float64{0, 0, 1}, [3]float64{1, 0, 0}},
		{"Euler3DTransform", fmt.Sprint("0 0 ", quarter, " 0 0 0"), "0 0 0", [3]float64{1, 0, 0}, [3]float64{0, 1, 0}},
		// Z·X·Y: y→(y), then about x to z, z stays. Z·Y·X: about x to z, then about y to x, then about z to y.
		{"Euler3DTransform", fmt.Sprint(quarter, quarter, quarter, " 0 0 0"), "0 0 0", [3]float64{0, 1, 0}, [3]float64{0, 0, 1}},
		{"Euler3DTransform", fmt.Sprint(quarter, quarter, quarter, " 0 0 0"), "0 0 0 0", [3]float64{0, 1, 0}, [3]float64{0, 0, 1}},
		{"Euler3DTransform", fmt.Sprint(quarter, quarter, quarter, " 0 0 0"), "0 0 0 1", [3]float64{0, 1, 0}, [3]float64{0, 1, 0}},
		{"VersorRigid3DTransform", fmt.Sprint("0 0 ", half, " 1 2 3"), "5 0 0", [3]float64{6, 0, 0}, [3]float64{6, 3, 3}},
		{"QuaternionRigidTransform", fmt.Sprint("0 0 ", half, half, " 1 2 3"), "5 0 0", [3]float64{6, 0, 0}, [3]float64{6, 3, 3}},
		{"Similarity3DTransform", fmt.Sprint("0 0 ", half, " 1 2 3 2"), "5 0 0", [3]float64{6, 0, 0}, [3]float64{6, 4, 3}},
		{"TranslationTransform", "1 2 3", "", [3]float64{1, 1, 1}, [3]float64{2, 3, 4}},
		{"IdentityTransform", "", "", [3]float64{1, 2, 3}, [3]float64{1, 2, 3}},
	} {
		a, err := parseITK([]byte(itkFile(c.kind, strings.ReplaceAll(c.par, "  ", " "), c.fixed)))
		require.NoError(t, err, c.kind)
		q := a.Apply([3]float64{-c.p[0], -c.p[1], c.p[2]})
		require.InDelta(t, 0, distance([3]float64{-q[0], -q[1], q[2]}, c.want), 1e-12, "%s %s: %v", c.kind, c.par, q)
		require.InDelta(t, 0, distance(a.Inverse().Apply(q), [3]float64{-c.p[0], -c.p[1], c.p[2]}), 1e-12)
	}
}

func TestITKRefuses(t *testing.T) {
	affine := "1 0 0 0 1 0 0 0 1 0 0 0"
	for _, c := range []struct{ text, want string }{
		{"", "is not an ITK text transform"},
		{"\x00\x00binary", "is not an ITK text transform"},
		{"#Insight Transform File V1.0\n", `has no line "Transform:"`},
		{itkFile("AffineTransform", affine, "0 0"), "AffineTransform has 2 fixed parameters"},
		{itkFile("AffineTransform", "1 2 3", "0 0 0"), "AffineTransform has 3 parameters; it needs 12"},
		{itkFile("AffineTransform", strings.Replace(affine, "1", "nan", 1), "0 0 0"), `Parameters: "nan" is not a finite number`},
		{itkFile("AffineTransform", strings.Replace(affine, "1", "0", 1), "0 0 0"), "the transform is singular"},
		{itkFile("AffineTransform", affine, "0 0 x"), `FixedParameters: "x" is not a finite number`},
		{itkFile("BSplineTransform", affine, "0 0 0"), "is not affine or not supported"},
		{itkFile("VersorRigid3DTransform", "1 1 1 0 0 0", "0 0 0"), "is longer than 1"},
		{itkFile("QuaternionRigidTransform", "0 0 0 0 0 0 0", "0 0 0"), "has length 0"},
		{itkFile("Similarity3DTransform", "0 0 0 1 1 1 0", "0 0 0"), "the transform is singular"},
		{itkFile("AffineTransform", affine, "0 0 0") + "Transform: AffineTransform_double_3_3\n", "more than one transform"},
		{itkFile("AffineTransform", affine, "0 0 0") + "Parameters: 1\n", "has Parameters twice"},
		{itkFile("AffineTransform", affine, "0 0 0") + "hello\n", `does not understand the line "hello"`},
		{itkFile("AffineTransform", affine, "0 0 0") + "Hello: 1\n", `does not understand the line "Hello: 1"`},
		{strings.Replace(itkFile("AffineTransform", affine, "0 0 0"), "3_3", "2_2", 1), "is not one between three dimensions"},
	} {
		path := filepath.Join(t.TempDir(), "t.txt")
		require.NoError(t, os.WriteFile(path, []byte(c.text), 0o600))
		_, err := ReadITK(path)
		require.ErrorContains(t, err, path+": ")
		require.ErrorContains(t, err, c.want)
	}
	path := filepath.Join(t.TempDir(), "long.txt")
	require.NoError(t, os.WriteFile(path, make([]byte, maxITK+1), 0o600))
	_, err := ReadITK(path)
	require.ErrorContains(t, err, "too many for what it should hold")
	_, err = ReadITK(filepath.Join(t.TempDir(), "nowhere.txt"))
	require.ErrorContains(t, err, "nowhere.txt: no such file")
}

func TestITKWindowsLineEnds(t *testing.T) {
	text := itkFile("AffineTransform", "1 0 0 0 1 0 0 0 1 1 2 3", "0 0 0")
	a, err := parseITK([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
	require.NoError(t, err)
	require.Equal(t, [3]float64{-1, -2, 3}, a.Apply([3]float64{}))
}

// A registration neither mirrors a head nor changes its size much.
func TestITKTransformsThatNoRegistrationMakesAreToldOf(t *testing.T) {
	var b bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
	t.Cleanup(func() { slog.SetDefault(was) })
	for parameters, want := range map[string]string{
		"-1 0 0 0 1 0 0 0 1 0 0 0":    "the transform mirrors",
		"2 0 0 0 2 0 0 0 2 0 0 0":     "changes volumes by a factor of 8",
		"0.5 0 0 0 1 0 0 0 .9 0 0 0":  "changes volumes by a factor of 0.45",
		"1.1 0 0 0 1.1 0 0 0 1 5 0 0": "",
		"0 -1 0 1 0 0 0 0 1 0 0 0":    "",
	} {
		b.Reset()
		path := filepath.Join(t.TempDir(), "t.txt")
		require.NoError(t, os.WriteFile(path, []byte(itkFile("AffineTransform", parameters, "0 0 0")), 0o600))
		_, err := ReadITK(path)
		require.NoError(t, err)
		if want == "" {
			require.Empty(t, b.String())
			continue
		}
		require.Contains(t, b.String(), path+": ")
		require.Contains(t, b.String(), want)
	}
}
