package train

// Event is something that a run tells whoever watches it.
type Event interface{ event() }

// Loading comes before Started, while the lesions of the training cases are read to
// borrow their shapes.
type Loading struct{ Done, Total int }

// Started comes when all is prepared, before the first step.
type Started struct {
	Folder     string   // RUN/fold_K
	Config     Config   // as resolved
	Device     string   // the backend's name
	Train      []string // case IDs
	Valid      []string
	Layout     string
	Parameters int  // values that are trained
	Resumed    bool // from checkpoint_last
	Step       int  // steps done before
	Epoch      int  // epochs done before
	History    []Record
}

// StepDone comes after each training step.
type StepDone struct {
	Epoch, Steps int     // the current epoch from 1, its steps
	InEpoch      int     // steps done in it
	Step         int     // steps done in the run
	Loss         float64 // of this step
	Lesion       float64 // mean lesion probability; NaN for networks that restore
	Seconds      float64 // waiting for the patches included
}

// Validating comes after each batch or image of a validation.
type Validating struct {
	Epoch       int
	Full        bool // whole images, not patches
	Done, Total int
}

// EpochDone comes after each validation.
type EpochDone struct {
	Record
	Seconds float64  // training and validation
	History []Record // of the run, this epoch last
}

// Saved comes after a file was written.
type Saved struct{ Path string }

// Warning is something the user should know about; the run goes on.
type Warning struct{ Text string }

// FullCase is the score of one whole validation image.
type FullCase struct {
	Case     string
	Dice, F1 Number // NaN where the truth is empty
}

// Restored is one of the first validation patches of an inpainter or a generator,
// the same ones each epoch. Arrays have element (d,h,w) at (d·H+h)·W+w, D, H, W the
// canonical grid's x, y, z.
type Restored struct {
	Epoch, Number            int
	Case                     string
	Size                     [3]int    // D, H, W
	Before, Corrupted, After []float32 // the patch, with noise, and the network's answer
	Filled                   []bool    // where the noise is
}

func (Loading) event()    {}
func (Started) event()    {}
func (StepDone) event()   {}
func (Validating) event() {}
func (EpochDone) event()  {}
func (Saved) event()      {}
func (Warning) event()    {}
func (FullCase) event()   {}
func (Restored) event()   {}
