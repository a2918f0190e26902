//go:build deps

// Package deps keeps the modules this project uses in go.mod while their users are being written.
package deps

import (
	_ "github.com/chewxy/math32"
	_ "github.com/klauspost/compress/gzip"
	_ "github.com/nlpodyssey/safetensors"
	_ "github.com/pelletier/go-toml/v2"
	_ "github.com/schollz/progressbar/v3"
	_ "github.com/spf13/cobra"
	_ "github.com/stretchr/testify/require"
	_ "golang.org/x/exp/constraints"
	_ "golang.org/x/exp/mmap"
	_ "golang.org/x/sys/cpu"
	_ "golang.org/x/term"
	_ "gonum.org/v1/gonum/stat"
	_ "gonum.org/v1/gonum/dsp/fourier"
	_ "gonum.org/v1/plot"
	_ "gonum.org/v1/plot/plotter"
	_ "gonum.org/v1/plot/vg/vgsvg"
	_ "gonum.org/v1/plot/vg/vgimg"
)
