package device

import (
	"fmt"
	"slices"
)

// AdamSlot is one parameter with its gradient and two moments, all of one shape.
type AdamSlot struct{ W, Grad, M, V Tensor }

// AdamOptions are the hyperparameters of one update.
type AdamOptions struct {
	Step                  int // 1 for the first update
	LR, Beta1, Beta2, Eps float64
	WeightDecay           float64 // decoupled from the gradient (AdamW); 0 is Adam

	// Guard, if there is one, is what NonFinite found: unless its first element is 0,
	// nothing is changed.
	Guard Tensor

	// Norm, if there is one, is what TotalNorm returned of all gradients: g is the
	// gradient times Clip of its element.
	Norm    Tensor
	MaxNorm float64
}

// clipEps keeps Clip finite, as in torch.nn.utils.clip_grad_norm_.
const clipEps = 1e-6

// Clip is what gradients of a total norm are multiplied by so that it is at most about
// MaxNorm: min(1, MaxNorm/(norm + 1e-6)), NaN if norm is.
func (o AdamOptions) Clip(norm float64) float64 { return min(1, o.MaxNorm/(norm+clipEps)) }

// Optimizer updates parameters.
type Optimizer interface {
	// TotalNorm: norm, a Scalar, = √(Σ x²) over all elements of all xs; 0 of none. Squares are
	// added in float64.
	TotalNorm(norm Tensor, xs []Tensor)

	// Adam, for every element of every slot:
	//
	//	m = Beta1·m + (1−Beta1)·g
	//	v = Beta2·v + (1−Beta2)·g²
	//	w  = w · (1 − LR·WeightDecay) − LR · (m/(1−Beta1^Step)) / (√(v/(1−Beta2^Step)) + Eps)
	//
	// Decay is that of Loshchilov and Hutter, "Decoupled weight decay regularization"
	// (ICLR 2019), as torch.optim.AdamW has it.
	//
	// A tensor that is changed may be in no other place of the slots.
	Adam(slots []AdamSlot, opt AdamOptions)
}

func (do Ops) Adam(slots []AdamSlot, opt AdamOptions) {
	c := &Call{Op: "Adam", Args: make([]Arg, 0, 4*len(slots)+1),
		Run: func(b NetworkOps) { b.Adam(slots, opt) },
		rule: func(c *Call) {
			if opt.Step < 1 {
				c.refuse("step %d, the first one is 1", opt.Step)
			}
			c.shaped(Vec(2), "what NonFinite found", "Guard")
			c.shaped(Scalar(), "what TotalNorm returned", "Norm")
			for i, s := range slots {
				if s.Grad.Shape != s.W.Shape || s.M.Shape != s.W.Shape || s.V.Shape != s.W.Shape {
					c.refuse("slot %d: W %v, Grad %v, M %v, V %v must be of one shape", i, s.W.Shape, s.Grad.Shape, s.M.Shape, s.V.Shape)
				}
			}
		},
	}
	for i := range slots {
		s := &slots[i]
		c.Args = append(c.Args, state("W", &s.W), in("Grad", &s.Grad), state("M", &s.M), state("V", &s.V))
		for k := len(c.Args) - 4; k < len(c.Args); k++ {
			c.Args[k].slot = i + 1
		}
		c.Bytes += bytesOf(s.W, s.W, s.Grad, s.M, s.M, s.V, s.V)
	}
	if len(slots) > 0 {
		c.Args = append(c.Args, optional(in("Guard", &opt.Guard)), optional(in("Norm", &opt.Norm)))
	}
	do(c)
}

func (do Ops) TotalNorm(norm Tensor, xs []Tensor) {
	xs = slices.Clone(xs)
	args := []Arg{out("norm", &norm)}
	for i := range xs {
		args = append(args, in(fmt.Sprint("x", i), &xs[i]))
	}
	do(&Call{Op: "TotalNorm", Args: args,
		Run:  func(b NetworkOps) { b.TotalNorm(norm, xs) },
		rule: func(c *Call) { c.shaped(Scalar(), "one number", "norm") },
	})
}
