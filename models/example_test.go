package models_test

import (
	"fmt"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/layers"
	"voxgrad/models"
)

// One training step of a small detector with a frozen encoder.
func Example() {
	dev := cpu.New()
	defer dev.Close()
	c := models.Default(models.Detector)
	c.Width = 2
	net, err := models.New(dev, c, 1)
	if err != nil {
		panic(err)
	}
	net.FreezeEncoder()
	adam := net.Adam(1e-4)

	patch := device.Shape{N: 1, D: 8, H: 8, W: 8, C: 1}
	time1, time2, target := dev.Alloc(patch), dev.Alloc(patch), dev.Alloc(patch.WithC(2))
	dev.Fill(time1, 1)
	dev.Fill(time2, 1.2)
	dev.Fill(target, 0.5)

	t := autograd.New(dev, uint64(adam.Step))
	defer t.Close()
	logits := net.Forward(t, autograd.Input(time1), autograd.Input(time2))
	fmt.Println(logits.Shape)
	loss, _ := t.DiceLoss(logits, autograd.Input(target), device.DiceOptions{Eps: 0.01})
	net.ClearGrads()
	t.Backward(loss)
	adam.Update()
	fmt.Println(adam.Step, len(adam.Moments) < len(net.Params()), dev.Sync())

	net.SetMode(layers.Eval) // and the encoder stays as it is
	// Output:
	// [1 8 8 8 2]
	// 1 true <nil>
}
