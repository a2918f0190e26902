package layers

// Mode is how layers behave that differ between training and use. Layers hold
// a pointer to it, so that one assignment switches a whole network.
type Mode uint8

const (
	// Train: batch statistics, which also move the running ones; dropout.
	Train Mode = iota
	// Eval: running statistics, no dropout.
	Eval
	// Frozen: as Eval, for good; its parameters want no gradient. An encoder taken
	// from another network stays Frozen while the rest trains.
	Frozen
)

func (m Mode) String() string { return [...]string{"train", "eval", "frozen"}[m] }
