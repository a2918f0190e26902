package bench

import (
	"fmt"

	"voxgrad/device"
)

// memoryBound are the ops that do little with much data.
func (s Shapes) memoryBound() []Case {
	w := s.Width
	var cs []Case
	add := func(op string, c, down int, args []device.Shape, call func(b device.Backend, t []device.Tensor)) {
		name := fmt.Sprintf("%s/c=%d/grid=%d", op, c, s.Patch>>down)
		if s.Batch > 1 {
			name += fmt.Sprintf("/batch=%d", s.Batch)
		}
		cs = append(cs, Tensors(name, args, call))
	}
	for _, l := range []level{{w, 0, 0}, {2 * w, 0, 1}, {4 * w, 0, 2}, {8 * w, 0, 3}, {24 * w, 0, 2}, {12 * w, 0, 1}, {6 * w, 0, 0}} {
		x, v := s.shape(l.cin, l.down), device.Vec(l.cin)
		add("Norm/stats", l.cin, l.down, []device.Shape{v, v, x, v, v}, func(b device.Backend, t []device.Tensor) {
			b.BatchNormStats(t[0], t[1], t[2], t[3], t[4], 1e-5, 0.1)
		})
		add("Norm/apply", l.cin, l.down, []device.Shape{x, x, v, v, v, v}, func(b device.Backend, t []device.Tensor) {
			b.BatchNormApply(t[0], t[1], t[2], t[3], t[4], t[5])
		})
		add("Norm/grad", l.cin, l.down, []device.Shape{x, v, v, x, x, v, v, v}, func(b device.Backend, t []device.Tensor) {
			b.BatchNormGrad(set(t[0]), set(t[1]), set(t[2]), t[3], t[4], t[5], t[6], t[7], false)
		})
	}
	for _, l := range []level{{2 * w, 0, 0}, {4 * w, 0, 1}, {8 * w, 0, 2}} {
		c, x, y := l.cin, s.shape(l.cin, l.down), s.shape(l.cin, l.down+1)
		add("MaxPool/fwd", c, l.down, []device.Shape{y, x}, func(b device.Backend, t []device.Tensor) { b.MaxPool(t[0], t[1]) })
		add("MaxPool/grad", c, l.down, []device.Shape{x, y, x, y}, func(b device.Backend, t []device.Tensor) {
			b.MaxPoolGrad(set(t[0]), t[1], t[2], t[3])
		})
		add("Dropout/fwd", c, l.down+1, []device.Shape{y, y}, func(b device.Backend, t []device.Tensor) { b.Dropout(t[0], t[1], 0.5, 1) })
		add("Dropout/grad", c, l.down+1, []device.Shape{y, y}, func(b device.Backend, t []device.Tensor) { b.DropoutGrad(set(t[0]), t[1], 0.5, 1) })
	}
	for _, l := range []level{{4 * w, 2 * w, 0}, {8 * w, 4 * w, 1}, {16 * w, 8 * w, 2}} {
		c := l.cin + l.cout
		a, k, y := s.shape(l.cin, l.down), s.shape(l.cout, l.down), s.shape(c, l.down)
		add("Concat/fwd", c, l.down, []device.Shape{y, a, k}, func(b device.Backend, t []device.Tensor) { b.Concat(t[0], t[1], t[2]) })
		add("Concat/grad", c, l.down, []device.Shape{a, k, y}, func(b device.Backend, t []device.Tensor) { b.Split(set(t[0]), set(t[1]), t[2]) })
	}
	x := s.shape(4*w, 0)
	add("ReLU/grad", x.C, 0, []device.Shape{x, x, x}, func(b device.Backend, t []device.Tensor) { b.ReLUGrad(set(t[0]), t[1], t[2]) })
	add("Copy/add", x.C, 0, []device.Shape{x, x}, func(b device.Backend, t []device.Tensor) {
		b.Copy(device.Into{Tensor: t[0], Mode: device.Add}, t[1])
	})
	add("Fill/zero", x.C, 0, []device.Shape{x}, func(b device.Backend, t []device.Tensor) { b.Fill(t[0], 0) })

	const classes = 2
	p, one, sums := s.shape(classes, 0), device.Scalar(), device.Vec(3*classes)
	opt := device.DiceOptions{Eps: 0.01}
	add("Softmax/fwd", classes, 0, []device.Shape{p, p}, func(b device.Backend, t []device.Tensor) { b.Softmax(t[0], t[1]) })
	add("Dice/fwd", classes, 0, []device.Shape{one, sums, p, p}, func(b device.Backend, t []device.Tensor) {
		b.DiceLoss(t[0], t[1], device.Tensor{}, t[2], t[3], opt)
	})
	add("Dice/grad", classes, 0, []device.Shape{p, one, sums, p, p}, func(b device.Backend, t []device.Tensor) {
		b.DiceLossGrad(set(t[0]), t[1], t[2], t[3], t[4], opt)
	})
	p = s.shape(1, 0)
	add("MSE/fwd", 1, 0, []device.Shape{one, p, p}, func(b device.Backend, t []device.Tensor) { b.MSE(t[0], t[1], t[2]) })
	add("MSE/grad", 1, 0, []device.Shape{p, one, p, p}, func(b device.Backend, t []device.Tensor) { b.MSEGrad(set(t[0]), t[1], t[2], t[3]) })
	return cs
}

// adam is one update of all convolutions' weights and biases of both networks.
func (s Shapes) adam() Case {
	var args []device.Shape
	n := 0
	for _, l := range s.convs() {
		for _, p := range []device.Shape{device.Weights(3, l.cin, l.cout), device.Vec(l.cout)} {
			args = append(args, p, p, p, p)
			n += p.Len()
		}
	}
	name := fmt.Sprintf("Adam/tensors=%d/values=%d", len(args)/4, n)
	return Case{Name: name, Open: func(dev device.Backend) (run, closeCase func(), err error) {
		opt := device.AdamOptions{LR: 1e-4, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}
		return Tensors(name, args, func(b device.Backend, t []device.Tensor) {
			opt.Step++
			var slots []device.AdamSlot
			for i := 0; i < len(t); i += 4 {
				slots = append(slots, device.AdamSlot{W: t[i], Grad: t[i+1], M: t[i+2], V: t[i+3]})
				if opt.Step == 1 { // a warm-up: averages of squares are not negative
					b.Fill(t[i+3], 0)
				}
			}
			b.Adam(slots, opt)
		}).Open(dev)
	}}
}
