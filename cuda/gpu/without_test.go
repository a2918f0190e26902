//go:build !(cuda && cgo && linux && amd64)

package gpu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWithout(t *testing.T) {
	d, err := Open(0)
	require.Nil(t, d)
	infos, listed := List()
	require.Empty(t, infos)
	for _, err := range []error{err, listed, Available()} {
		require.ErrorContains(t, err, "this binary was built without CUDA support (build with -tags cuda")
	}
}
