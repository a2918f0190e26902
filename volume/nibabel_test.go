package volume

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// reading is what a library made of a file.
type reading struct {
	Shape  []int
	Affine []*float64 // null: NaN
	Data   []*float64
	Error  string
}

// sameAffine compares to the seven digits of the record.
func (r reading) sameAffine(v *Volume) bool {
	most := 0.0
	for _, x := range r.Affine {
		if x != nil {
			most = max(most, math.Abs(*x))
		}
	}
	for i, x := range r.Affine {
		if x == nil || math.Abs(*x-v.Affine[i/4][i%4]) > 1e-6*most+1e-4 {
			return false
		}
	}
	return true
}

func sameValues(want []*float64, got []float32) bool {
	if len(want) != len(got) {
		return false
	}
	for i, x := range want {
		g := float64(got[i])
		if x == nil && !math.IsNaN(g) && !math.IsInf(g, 0) || x != nil && math.Abs(g-*x) > 1e-5*math.Abs(*x)+1e-5 {
			return false
		}
	}
	return true
}

// Where the reader and nibabel or ITK go different ways, on purpose. Everything else that
// one of the two reads is read, to the same values and place; what both refuse is
// refused.
var (
	// refusedHere are kinds of files that are refused although others read them, with a part of the
	// reason.
	refusedHere = map[string]string{
		"four axes": "a single 3D image is needed", "vector": "a single 3D image is needed", "complex": "save its magnitude",
		"rgb": "RGB colour", "pair": ".hdr/.img pair", "analyze": "does not say where left is", "dim 0": "dim[0] is 0", "size 0": "at least one voxel",
		"sform zero": "the sform is singular", "sform NaN": "the sform has an entry of NaN", "inter NaN": "scl_inter is NaN",
		"quaternion long": "longer than 1", "vox_offset small": "voxels begin at byte 352 or later", "cut": "truncated",
	}
	// otherPlace are kinds whose place another library sees elsewhere: nibabel leaves the
	// unit out, centres and mirrors a header without a form, and uses a sform of zeros; ITK takes the
	// voxel sizes of pixdim, and a header without a form in its own axes.
	otherPlace = map[string]string{
		"metres": "nibabel", "micrometres": "nibabel", "no form": "nibabel ITK", "sform zero, qform": "nibabel",
		"pixdim 0": "ITK", "pixdim negative": "ITK", "pixdim other": "ITK", "half turn": "nibabel", // closer to half a turn than its float32 can say
	}
	// otherValues: with a vox_offset of 0 nibabel takes the header for voxels, ITK what is behind it;
	// ITK adds an intercept that has no slope.
	otherValues = map[string]string{"vox_offset 0": "nibabel ITK", "slope 0": "ITK"}
	// warned are kinds that are read with a warning.
	warned = []string{"no form", "sizeof_hdr", "vox_offset 0", "vox_offset fraction", "sform zero, qform", "pixdim other", "forms differ", "gzip tail"}
)

// The reader against nibabel and SimpleITK on the files of tools/nibabelcheck.
func TestReadersAgree(t *testing.T) {
	b, err := os.ReadFile("testdata/nibabel.json.gz")
	require.NoError(t, err)
	z, err := gzip.NewReader(bytes.NewReader(b))
	require.NoError(t, err)
	var record struct {
		Cases []struct {
			Kind         string
			File         []byte
			Nibabel, ITK reading
		}
	}
	require.NoError(t, json.NewDecoder(z).Decode(&record))
	require.Greater(t, len(record.Cases), 300)
	read, same, refused := 0, 0, 0
	hasWarned := map[string]int{}
	for n, c := range record.Cases {
		v, err := Decode(bytes.NewReader(c.File), "f.nii")
		if err != nil {
			refused++
			if c.Nibabel.Error != "" && c.ITK.Error != "" {
				continue
			}
			if c.Kind == "vox_offset small" || c.Kind == "cut" {
				require.ErrorContains(t, err, strings.Split(refusedHere[c.Kind], " 352")[0], "%d", n)
				continue
			}
			require.Contains(t, refusedHere, c.Kind, "file %d is read by others: %v", n, err)
			require.ErrorContains(t, err, refusedHere[c.Kind], "%d", n)
			continue
		}
		read++
		require.NotContains(t, refusedHere, c.Kind)
		if len(v.Source.Warnings()) > 0 {
			hasWarned[c.Kind]++
		}
		for name, r := range map[string]reading{"nibabel": c.Nibabel, "ITK": c.ITK} {
			if r.Error != "" {
				continue
			}
			same++
			if r.Data == nil { // as nibabel
				r.Data = c.Nibabel.Data
			}
			if len(r.Data) > 0 && !sameValues(r.Data, v.Data) { // nibabel takes an axis of 0 by its word
				require.Contains(t, otherValues[c.Kind], name, "values of file %d, %s", n, c.Kind)
			}
			if r.Affine == nil || r.sameAffine(v) {
				continue
			}
			require.Contains(t, otherPlace[c.Kind], name, "place of file %d, %s", n, c.Kind)
		}
	}
	for _, kind := range warned {
		require.Positive(t, hasWarned[kind], kind)
	}
	for _, kind := range []string{"plain", "qform only", "half turn", "sform only", "scaled", "members", "gzip zeros"} {
		require.Zero(t, hasWarned[kind], kind)
	}
	t.Logf("%d files: %d read, with %d readings of nibabel and ITK to compare with; %d refused", len(record.Cases), read, same, refused)
}
