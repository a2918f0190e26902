package clitest

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

// MaskGrid has voxels of 1 mm, so that 4 voxels are a lesion.
var MaskGrid = volume.Grid{Size: [3]int{16, 14, 10}, Affine: volume.Affine{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}}

// Block is a box of voxels.
type Block struct{ At, Size [3]int }

// Box is a Block of a size at a voxel.
func Box(at, size [3]int) Block { return Block{at, size} }

// WriteMask writes a mask with blocks in it.
func WriteMask(t *testing.T, path string, blocks ...Block) string {
	t.Helper()
	v := volume.New(MaskGrid)
	for _, b := range blocks {
		for k := range b.Size[2] {
			for j := range b.Size[1] {
				for i := range b.Size[0] {
					v.Data[v.Index(b.At[0]+i, b.At[1]+j, b.At[2]+k)] = 1
				}
			}
		}
	}
	return WriteImage(t, path, v)
}

// WriteImage writes an image and its folder.
func WriteImage(t *testing.T, path string, v *volume.Volume) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	require.NoError(t, volume.Write(path, v, volume.Float32))
	return path
}

// Outside finds what a page would load or link to beyond itself.
var Outside = regexp.MustCompile(`(?i)(src|href)="([^d#]|d[^a])|url\(|@import|<script|<link|<iframe`)
