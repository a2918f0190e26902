package weights

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/models"
)

func TestBuiltInNetworksOpen(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	total := 0
	for _, name := range Names() {
		n, err := Get(name)
		require.NoError(t, err)
		require.Len(t, n.SHA256, 64)
		require.Equal(t, "builtin:"+name, n.File.Path)
		require.NotEmpty(t, Purpose[name], name)
		total += n.Bytes
		for _, x := range n.File.Tensors {
			require.Equal(t, "F16", x.Type, "%s of %s", x.Name, name)
			require.False(t, models.IsState(x.Name))
		}
		net, err := Open(dev, name)
		require.NoError(t, err)
		net.Free()
	}
	require.Less(t, total, 12<<20, "all of them together")
	now, _ := dev.Usage()
	require.Zero(t, now)
}

func TestBrainIsASegmenterOfItsSpacing(t *testing.T) {
	n, err := Get(Brain)
	require.NoError(t, err)
	require.LessOrEqual(t, n.Bytes, 2<<20)
	p, err := models.PreparationOf(n.File)
	require.NoError(t, err)
	require.Equal(t, 2.5, p.Spacing)
}

func TestMissingNetworksAreNamed(t *testing.T) {
	_, err := Get("brian")
	require.ErrorContains(t, err, `without the weights "brian" (it has brain)`)
	require.ErrorContains(t, err, "weights/files/brian.safetensors")
	require.ErrorContains(t, err, "did you mean brain")
}
