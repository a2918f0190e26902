package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"voxgrad/volume"

	"github.com/stretchr/testify/require"
)

// maskGrid has voxels of 1 mm, so that 4 voxels are a lesion.
var maskGrid = volume.Grid{Size: [3]int{16, 14, 10}, Affine: volume.Affine{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}}

// block marks a box of voxels; another writes a mask with blocks in it.
type block struct{ at, size [3]int }

func writeMask(t *testing.T, path string, blocks ...block) string {
	t.Helper()
	v := volume.New(maskGrid)
	for _, b := range blocks {
		for k := range b.size[2] {
			for j := range b.size[1] {
				for i := range b.size[0] {
					v.Data[v.Index(b.at[0]+i, b.at[1]+j, b.at[2]+k)] = 1
				}
			}
		}
	}
	return writeImage(t, path, v)
}

func writeImage(t *testing.T, path string, v *volume.Volume) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	require.NoError(t, volume.Write(path, v, volume.Float32))
	return path
}

// outside finds what a page would load or link to beyond itself.
var outside = regexp.MustCompile(`(?i)(src|href)="([^d#]|d[^a])|url\(|@import|<script|<link|<iframe`)
