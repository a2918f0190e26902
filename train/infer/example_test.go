package infer_test

import (
	"context"
	"fmt"

	"voxgrad/device/cpu"
	"voxgrad/models"
	"voxgrad/train/infer"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

func Example() {
	o := volume.DefaultPhantom(1)
	o.Size = [3]int{24, 26, 25}
	scan, err := volume.NewPhantom(o)
	if err != nil {
		panic(err)
	}
	dev := cpu.New()
	defer dev.Close()
	c := models.Default(models.Detector)
	c.Width = 2
	net, err := models.New(dev, c, 1) // models.Load for a trained one
	if err != nil {
		panic(err)
	}
	opt := infer.Defaults()
	opt.Patch, opt.Stride = [3]int{16, 16, 16}, [3]int{8, 8, 8}
	r, err := infer.Predict(context.Background(), []infer.Member{infer.Keep(net)},
		prep.Case{Times: []*volume.Volume{scan.Time1, scan.Time2}, Brain: scan.BrainMask}, opt)
	if err != nil {
		panic(err)
	}
	fmt.Println(r.Mask.Grid == scan.Time1.Grid, r.Prob.Size)
	// Output: true [24 26 25]
}
