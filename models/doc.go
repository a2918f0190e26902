// Package models has the networks: segmenter, detector, inpainter and generator,
// all made of one encoder and one decoder.
//
//	net, err := models.New(dev, models.Default(models.Segmenter), seed)
//	t := autograd.NewInference(dev)
//	defer t.Close()
//	net.SetMode(layers.Eval)
//	p := t.Softmax(net.Forward(t, autograd.Input(flair)))
//
// Images are [N D H W C] with D, H, W multiples of Multiple.
package models
