package prepare

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"voxgrad/volume"
)

func TestDevRaw(t *testing.T) {
	d := "../../shared/data/raw/patient01/"
	a, err := volume.Read(d + "study1_FLAIR.nii.gz")
	require.NoError(t, err)
	b, err := volume.Read(d + "study2_FLAIR.nii.gz")
	require.NoError(t, err)
	t1, err := volume.ReadITK(d + "study1_FLAIR_to_common_space.txt")
	require.NoError(t, err)
	t2, err := volume.ReadITK(d + "study2_FLAIR_to_common_space.txt")
	require.NoError(t, err)
	brain, err := volume.ReadMask("../../shared/data/longitudinal/patient01/brainmask.nii.gz")
	require.NoError(t, err)
	var pts [][3]float64
	for x, in := range brain.Data {
		if in && x%97 == 0 {
			p := brain.World(float64(x%brain.Size[0]), float64(x/brain.Size[0]%brain.Size[1]), float64(x/brain.Size[0]/brain.Size[1]))
			pts = append(pts, t1.Apply(p))
		}
	}
	pub := t2.Mul(t1.Inverse())
	for range 1 {
		start := time.Now()
		r, err := Register(a, b, nil, nil)
		require.NoError(t, err)
		fmt.Println(time.Since(start), r.Correlation, r.Overlap, "mean mm from published", apart(r.Between(), pub, pts), "start", apart(volume.Identity, pub, pts))
		r2, err := Register(b, a, nil, nil)
		require.NoError(t, err)
		fmt.Println("exchanged", apart(r.Between(), r2.Between().Inverse(), pts))
	}
}
