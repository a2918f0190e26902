package pipeline

import "voxgrad/train"

// Event is something that a run tells whoever watches it.
type Event interface{ event() }

// Skipped is a step that is done already.
type Skipped struct {
	Step          *Step
	Number, Total int // its place in what is asked for, from 1
}

// Warned is something to look at that does not stop the run.
type Warned struct{ Text string }

// Started comes before a step's work.
type Started struct {
	Step          *Step
	Why           string // it runs
	Number, Total int
}

// Training passes on what a training step tells.
type Training struct {
	Step  *Step
	Event train.Event
}

// Progress is how far a step without training has come.
type Progress struct {
	Step        *Step
	Done, Total int
}

// Finished comes after a step's stamp.
type Finished struct {
	Step    *Step
	Seconds float64
}

func (Warned) event()   {}
func (Skipped) event()  {}
func (Started) event()  {}
func (Training) event() {}
func (Progress) event() {}
func (Finished) event() {}
