package device

// Channels joins and splits channels.
type Channels interface {
	// Concat: y[...,c] = a[...,c] for c < a.C, else b[...,c−a.C].
	Concat(y, a, b Tensor)

	// Split: da, db receive their channels of dy.
	Split(da, db Into, dy Tensor)
}

func (do Ops) Concat(y, a, b Tensor) {
	do(&Call{Op: "Concat", Args: []Arg{out("y", &y), in("a", &a), in("b", &b)},
		Run: func(be NetworkOps) { be.Concat(y, a, b) },
		rule: func(c *Call) {
			c.shaped(a.WithC(a.C+b.C), "the channels of both", "y")
			c.shaped(a.WithC(b.C), "on a's grid", "b")
		},
	})
}

func (do Ops) Split(da, db Into, dy Tensor) {
	do(&Call{Op: "Split", Args: []Arg{grad("da", &da), grad("db", &db), in("dy", &dy)},
		Run: func(be NetworkOps) { be.Split(da, db, dy) },
		rule: func(c *Call) {
			ca, cb := SplitChannels(da, db, dy.Shape)
			c.need(ca > 0 && cb > 0 && ca+cb == dy.C, "da and db must share the %d channels of dy", dy.C)
			c.shaped(dy.WithC(ca), "on dy's grid", "da")
			c.shaped(dy.WithC(cb), "on dy's grid", "db")
		},
	})
}

// SplitChannels is the number of channels of each part of dy: one that is skipped
// stands for the channels that the other leaves.
func SplitChannels(da, db Into, dy Shape) (a, b int) {
	a, b = da.C, db.C
	if da.Mode == Skip {
		a = dy.C - b
	}
	if db.Mode == Skip {
		b = dy.C - a
	}
	return a, b
}
