package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAgreement(t *testing.T) {
	var all []measured
	add := func(seconds, predicted float64) {
		all = append(all, measured{Seconds: seconds, Predicted: &predicted})
	}
	// Everything takes twice as long: the scale is fitted, nothing is off.
	for i := range 10 {
		add(2*float64(i+1), float64(i+1))
	}
	off, rank := agreement(all)
	require.InDelta(t, 0, off, 1e-12)
	require.InDelta(t, 1, rank, 1e-12)
	// The half that is not fitted takes 1.3 times that.
	for i := 1; i < 10; i += 2 {
		all[i].Seconds *= 1.3
	}
	off, _ = agreement(all)
	require.InDelta(t, 0.3, off, 1e-12)
	// The other way round.
	for i := range all {
		all[i].Seconds = 1 / *all[i].Predicted
	}
	_, rank = agreement(all)
	require.InDelta(t, -1, rank, 1e-12)
	require.Equal(t, []float64{0, 2.5, 1, 2.5}, ranks([]float64{1, 7, 5, 7}))
}

const lines = `{"part":"device","name":"NVIDIA H200","compute_capability":9,"driver_cuda":13000,"commit":"abc","when":"2026-01-01T00:00:00Z","computes":true}
{"part":"device","state":"done","took_s":2,"why":""}
{"part":"steps","who":"voxgrad bf16","model":"segmenter","batch":1,"seconds":0.003,"predicted_s":0.0025,"peak_bytes":2000000000}
{"part":"steps","who":"PyTorch AMP bf16","model":"segmenter","batch":1,"seconds":0.006,"peak_bytes":4000000000}
{"part":"steps","who":"PyTorch fp32","model":"segmenter","batch":1,"seconds":0.012}
{"part":"steps","who":"voxgrad bf16","model":"segmenter","batch":2,"seconds":0.006}
{"part":"launches","model":"segmenter","precision":"bf16","kernel":"small","grid":[1,1,1],"count":1,"measured_s":0.00001,"predicted_s":0.00002,"bound":"HBM"}
{"part":"launches","model":"segmenter","precision":"bf16","kernel":"large","op":"Conv","layer":"conv1","grid":[9,1,1],"count":3,"measured_s":0.0001,"predicted_s":null}
{"part":"launches","model":"segmenter","precision":"bf16","summary":true,"launches":4,"distinct":2,"measured_step_s":0.00031,"predicted_step_s":0.0003,"median_error":0.15,"rank_correlation":0.97}
{"part":"losses","who":"voxgrad fp32","model":"segmenter","losses":[0.5,0.4]}
{"part":"losses","who":"voxgrad bf16","model":"segmenter","losses":[0.5,"NaN"]}
{"part":"losses","who":"PyTorch fp32","model":"segmenter","losses":[0.5,0.25]}
{"part":"probe","what":"mma.sync, bf16","value":612.25,"unit":"TFLOP/s"}
{"part":"probe","what":"wgmma","value":null,"unit":"left out"}
{"part":"probe","state":"timed out","took_s":30,"why":"after 30 s"}
{"part":"steps","who":"cut of`

func TestTables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(lines), 0o666))
	all, err := read(file)
	require.NoError(t, err)
	var out bytes.Buffer
	write(&out, all)
	for _, want := range []string{
		"NVIDIA H200, compute capability 9.0, driver for CUDA 13.0; commit abc, 2026-01-01T00:00:00Z\n",
		"| device | done | 2.0 |  |\n", "| probe | timed out | 30.0 | after 30 s |\n",
		"| segmenter, batch 1, voxgrad bf16 | 3.00 | 2.50 | 2.00 GB | 0.50 |\n",
		"| segmenter, batch 1, PyTorch fp32 | 12.00 |  | 0.00 GB | 2.00 |\n",
		"| segmenter, batch 2, voxgrad bf16 | 6.00 |  | 0.00 GB |  |\n",
		"| segmenter, bf16: 4 | 2 | 0.310 | 0.300 | 15 % | 0.970 |\n",
		"| large [9 1 1], bf16 | Conv conv1 | 3 | 100.0 |  |  |\n| small [1 1 1], bf16 |   | 1 | 10.0 | 20.0 | HBM |\n",
		"| segmenter, voxgrad fp32, 2 steps | 0.5 | 0.4 | 0.15 |\n", "| segmenter, voxgrad bf16, 2 steps | 0.5 | NaN | +Inf |\n",
		"| mma.sync, bf16 | 612.2 TFLOP/s |\n| wgmma | left out |\n",
	} {
		require.Contains(t, out.String(), want)
	}
	require.NotContains(t, out.String(), "cut of")
	_, err = read(file + "x")
	require.Error(t, err)
}
