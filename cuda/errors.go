package cuda

import (
	"errors"
	"fmt"

	"voxgrad/cuda/driver"
)

var errClosed = errors.New("cuda: the backend is closed")

// launched is a kernel on its way.
type launched struct {
	op, kernel string
	geom       driver.Launch
}

// Error is a failure of the device or of a kernel, with what is known of its cause.
type Error struct {
	Device string        // name of the device
	Op     string        // method of device.Backend, or what Module.Launch was given; empty if none is to blame
	Kernel string        // entry; empty if no kernel is to blame
	Launch driver.Launch // its geometry
	Late   int           // more than 0: the kernel is the newest of so many that may have failed
	Err    error         // the driver's
	Advice string
}

func (e *Error) Unwrap() error { return e.Err }

func (e *Error) Error() string {
	where := ""
	switch {
	case e.Late > 1:
		where = fmt.Sprintf("one of the last %d kernels failed, the newest is %s of %s (%v): ", e.Late, e.Kernel, e.Op, e.Launch)
	case e.Kernel != "":
		where = fmt.Sprintf("%s, kernel %s (%v): ", e.Op, e.Kernel, e.Launch)
	case e.Op != "":
		where = e.Op + ": "
	}
	return fmt.Sprintf("cuda: %s: %s%v; %s", e.Device, where, e.Err, e.Advice)
}

const (
	adviceLost   = "nothing more can be computed on the device in this process: start again from the last checkpoint, and if it happens again use another device"
	adviceLate   = "start again from the last checkpoint; with CUDA_LAUNCH_BLOCKING=1 in the environment the error will name the kernel"
	adviceMemory = "use a smaller batch, a smaller patch or a narrower network"
	adviceKernel = "the driver may be too old for the kernels: update it, or use the cpu"
)

// fail keeps the first failure.
func (o *op) fail(kernel string, l driver.Launch, err error, advice string) {
	if o.b.err == nil {
		o.b.err = &Error{Device: o.b.info.Name, Op: o.name, Kernel: kernel, Launch: l, Err: err, Advice: advice}
	}
}

// lost keeps a failure of the device in a call of the driver. Hardware runs behind the calls: what fails
// now may be a kernel launched before.
func (o *op) lost(kernel string, l driver.Launch, err error) {
	if o.b.since > 0 && !o.b.info.Emulated {
		o.b.err = o.b.late(err)
	} else {
		o.fail(kernel, l, err, adviceLost)
	}
}

// noMemory keeps the failure of the pool to find memory for what: there is too little, or the device was
// lost before, which comes out now.
func (o *op) noMemory(what string, err error) {
	if errors.Is(err, driver.ErrOutOfMemory) {
		o.fail("", driver.Launch{}, fmt.Errorf("no memory for %s: %w", what, err), adviceMemory)
	} else if o.b.err == nil {
		o.b.err = o.b.late(err)
	}
}

// late is an error that came out of waiting and not of a launch.
func (b *Backend) late(err error) error {
	e := &Error{Device: b.info.Name, Err: err, Advice: adviceLost}
	if b.since > 0 {
		e.Op, e.Kernel, e.Launch, e.Late = b.last.op, b.last.kernel, b.last.geom, b.since
	}
	if b.since > 1 {
		e.Advice = adviceLate
	}
	return e
}
