package device

// Batch moves single samples into and out of batches.
type Batch interface {
	// PutSample: sample n of batch = x, which has one sample.
	PutSample(batch Tensor, n int, x Tensor)

	// TakeSample: x, which has one sample, = sample n of batch.
	TakeSample(x, batch Tensor, n int)
}

func (do Ops) PutSample(batch Tensor, n int, x Tensor) {
	do(&Call{Op: "PutSample", Args: []Arg{out("batch", &batch), in("x", &x)},
		Bytes: bytesOf(x, x),
		Run:   func(b NetworkOps) { b.PutSample(batch, n, x) },
		rule:  func(c *Call) { c.sample(batch.Shape, n) },
	})
}

func (do Ops) TakeSample(x, batch Tensor, n int) {
	do(&Call{Op: "TakeSample", Args: []Arg{out("x", &x), in("batch", &batch)},
		Bytes: bytesOf(x, x),
		Run:   func(b NetworkOps) { b.TakeSample(x, batch, n) },
		rule:  func(c *Call) { c.sample(batch.Shape, n) },
	})
}

func (c *Call) sample(batch Shape, n int) {
	if n < 0 || n >= batch.N {
		c.refuse("no sample %d in batch %v", n, batch)
	}
	batch.N = 1
	c.shaped(batch, "one sample of the batch", "x")
}
