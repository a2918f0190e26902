//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/models"
	"voxgrad/train/infer"
)

func tiny(model, up string) (settings, models.Config) {
	s := settings{Model: model, Up: up, Width: 2, Patch: 16, Batch: 1, Threads: 2}
	c := models.Default(model)
	c.Up, c.Width = up, s.Width
	return s, c
}

// The layers together are the network: their arithmetic is its.
func TestLayersAreTheNetwork(t *testing.T) {
	for _, model := range []string{models.Segmenter, models.Detector} {
		for _, up := range []string{"transposed", "trilinear"} {
			s, _ := tiny(model, up)
			r := &report{settings: s}
			f := r.flops()
			var forward, gradient int64
			for _, l := range layersOf(s) {
				times := int64(1) // the encoder sees each time point
				if model == models.Detector && !strings.HasPrefix(l.name, "fuse") && l.name != "conv8" && l.name != "conv9" && l.name != "conv10" && l.name != "conv_out" {
					times = 2
				}
				forward += times * f[l.name+" forward"]
				gradient += times * f[l.name+" gradient"]
			}
			require.Equal(t, f["forward"], forward, "%s %s", model, up)
			require.Equal(t, f["step"], forward+gradient, "%s %s", model, up)
		}
	}
}

// Every pass is answered; a step learns, and says what it took.
func TestServe(t *testing.T) {
	s, c := tiny(models.Detector, "transposed")
	tasks := []string{"peak", "forward", "step", "step", "step", "ensemble-shared", "ensemble", "pair"}
	defer func(size [3]int) { pairGrid = size }(pairGrid)
	pairGrid = [3]int{20, 17, 30}
	for _, l := range layersOf(s) {
		tasks = append(tasks, l.name+" forward", l.name+" gradient", l.name+" gradient")
	}
	var out bytes.Buffer
	require.NoError(t, serve(s, c, strings.NewReader(strings.Join(tasks, "\n")), &out))
	d := json.NewDecoder(&out)
	var hello answer
	require.NoError(t, d.Decode(&hello))
	require.Contains(t, hello.Name, "voxgrad")
	var all []answer
	for range tasks {
		var a answer
		require.NoError(t, d.Decode(&a))
		all = append(all, a)
	}
	require.False(t, d.More())
	for _, a := range all[1:] {
		require.Positive(t, a.Seconds)
		require.Positive(t, a.Bytes)
	}
	windows := len(infer.Windows(pairGrid, [3]int{16, 16, 16}, windowStride(s)))
	require.Equal(t, int64(windows)*all[5].Flops, all[7].Flops, "a pair is its windows")
	require.Positive(t, all[2].Loss)
	require.Equal(t, all[2].Flops, all[3].Flops, "the kernels' operations depend on shapes alone")
	require.Greater(t, all[2].Flops, all[1].Flops)
	require.Positive(t, all[1].Flops)
	require.Less(t, all[4].Loss, all[2].Loss)

	require.ErrorContains(t, serve(s, c, strings.NewReader("backward"), &out), `no pass "backward"`)
	require.ErrorContains(t, serve(s, c, strings.NewReader("conv11 forward"), &out), `no layer "conv11"`)
}

func TestTable(t *testing.T) {
	r := &report{Peaks: []peak{{8, 100}}, Measured: []measured{
		{Who: "voxgrad", What: "step", Flops: 40e9, Done: 10e9, Seconds: []float64{3, 1, 2, 9}, CPU: []float64{1}},
		{Who: "PyTorch a", What: "step", Flops: 40e9, Seconds: []float64{6, 5}, CPU: []float64{1}},
		{Who: "PyTorch b", What: "step", Flops: 40e9, Seconds: []float64{5, 5}, CPU: []float64{1}},
	}}
	var out bytes.Buffer
	r.print(&out)
	require.Contains(t, out.String(), "| step | voxgrad | 2.500 | 1.000 | 1.000 | 16 | 16 % | 4 | 4 % | 0.00 GB | 0.00 GB | 0.50 |\n")
	out.Reset()
	r.Layers = true
	r.print(&out)
	require.Contains(t, out.String(), "| step | 2500.0 | 4 | 4 % | 16 | 16 % | 5000.0 | 8 | 8 % | 0.50 |\n")
}
