// Package models has networks: what training, prediction and weights files ask of
// any (Network), and the four of this project (Net): segmenter, detector, inpainter
// and generator, all made of one encoder and one decoder.
//
//	net, err := models.New(dev, models.Default(models.Segmenter), seed)
//	t := autograd.NewInference(dev)
//	defer t.Close()
//	net.SetMode(layers.Eval)
//	p := t.Softmax(net.Forward(t, autograd.Input(flair)))
//
// Images are [N D H W C] with D, H, W multiples of Spec().Multiple.
//
// Save writes any Network as safetensors under PyTorch's names, Restore reads it
// back, AdamTensors and RestoreAdam do the same for the optimizer, so that a resumed
// training goes on to the same bits. Load builds one of the four from its file alone.
package models
