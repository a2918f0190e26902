package cuda

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
	"voxgrad/device"
)

// faulty is a device whose calls fail when told to.
type faulty struct {
	*emu.Device
	launch, sync, alloc error
	upload              error
	launches, syncs     int
	freed, uploads      int
	hardware            bool // says it is no emulator
}

func (f *faulty) Info() driver.Info {
	i := f.Device.Info()
	i.Emulated = !f.hardware
	return i
}

func (f *faulty) Launch(k driver.Kernel, l driver.Launch, args ...any) error {
	f.launches++
	if f.launch != nil {
		return f.launch
	}
	return f.Device.Launch(k, l, args...)
}

func (f *faulty) Sync() error {
	f.syncs++
	if f.sync != nil {
		return f.sync
	}
	return f.Device.Sync()
}

func (f *faulty) Alloc(n int64) (driver.Ptr, error) {
	if f.alloc != nil {
		return 0, f.alloc
	}
	return f.Device.Alloc(n)
}

func (f *faulty) ToDevice(dst driver.Ptr, src []byte) error {
	f.uploads++
	if f.upload != nil {
		return f.upload
	}
	return f.Device.ToDevice(dst, src)
}

func (f *faulty) Free(p driver.Ptr) error {
	f.freed++
	return f.Device.Free(p)
}

func onFaulty(t *testing.T, opts ...Option) (*faulty, *Backend, device.Into, device.Tensor) {
	return onFaultyDevice(t, &faulty{Device: emu.New()}, opts...)
}

func onFaultyDevice(t *testing.T, f *faulty, opts ...Option) (*faulty, *Backend, device.Into, device.Tensor) {
	b, err := New(f, opts...)
	require.NoError(t, err)
	x, y := b.Alloc(device.Vec(5000)), b.Alloc(device.Vec(5000))
	b.Fill(x, 1)
	b.Fill(y, 2)
	require.NoError(t, b.Sync())
	return f, b, device.Into{Tensor: y, Mode: device.Add}, x
}

// oldDriver cannot read the kernels, as one for CUDA 11.4.
type oldDriver struct{ *emu.Device }

func (oldDriver) Load(string) (driver.Module, error) {
	return nil, errors.New("GPU 0: Load: the kernels are PTX 7.8")
}

func TestNewRefuses(t *testing.T) {
	_, err := New(emu.New(emu.ComputeCapability(52)))
	require.EqualError(t, err, "cuda: emulator: kernels: the card has compute capability 5.2, the kernels need 6.1 or newer; use the cpu")
	_, err = New(emu.New(emu.ComputeCapability(60)))
	require.EqualError(t, err, "cuda: emulator: kernels: the card has compute capability 6.0, the kernels need 6.1 or newer; use the cpu")
	_, err = New(oldDriver{emu.New()})
	require.EqualError(t, err, "cuda: emulator: module memory.sm_61: GPU 0: Load: the kernels are PTX 7.8; use the cpu")
	_, err = New(emu.New(), WithMemoryLimit(-1))
	require.ErrorContains(t, err, "a memory limit of -1 bytes")
}

// A launch that fails is the error of Sync, with the kernel, its geometry and what to
// do; nothing runs after it.
func TestLaunchErrorSticks(t *testing.T) {
	f, b, dst, src := onFaulty(t)
	f.launch = errors.New("CUDA_ERROR_LAUNCH_FAILED")
	b.Copy(dst, src)
	require.Equal(t, 1, f.launches)
	b.Copy(dst, src)
	b.ReLUGrad(dst, src, src)
	b.Fill(src, 3)
	b.Download(make([]float32, 5000), src)
	require.Equal(t, 1, f.launches)
	err := b.Sync()
	var e *Error
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, f.launch)
	require.Equal(t, "Copy", e.Op)
	require.Equal(t, "accumulate", e.Kernel)
	require.Equal(t, driver.D1(5), e.Launch.Grid)
	require.EqualError(t, err, "cuda: emulator: Copy, kernel accumulate (grid (5,1,1), block (256,1,1), 0 bytes of dynamic shared memory): "+
		"CUDA_ERROR_LAUNCH_FAILED; nothing more can be computed on the device in this process: start again from the last checkpoint, and if it happens again use another device")
	b.Free(dst.Tensor)
	b.Free(src)
	require.ErrorIs(t, b.Close(), f.launch)
}

// An error that comes out of waiting names what may have caused it.
func TestLateError(t *testing.T) {
	lost := errors.New("CUDA_ERROR_ILLEGAL_ADDRESS")
	f, b, dst, src := onFaulty(t)
	b.Copy(dst, src)
	b.ReLUGrad(dst, src, src)
	f.sync = lost
	err := b.Sync()
	require.ErrorIs(t, err, lost)
	require.ErrorContains(t, err, "one of the last 2 kernels failed, the newest is relu_grad of ReLUGrad (grid (5,1,1)")
	require.ErrorContains(t, err, "with CUDA_LAUNCH_BLOCKING=1 in the environment the error will name the kernel")
	require.Equal(t, err, b.Sync())

	for _, opts := range [][]Option{{WithSyncEach()}, nil} {
		f, b, dst, src = onFaulty(t, opts...)
		b.Copy(dst, src)
		f.sync = lost
		b.ReLUGrad(dst, src, src)
		f.sync = nil
		b.Copy(dst, src)
		require.ErrorContains(t, b.Sync(), "cuda: emulator: ReLUGrad, kernel relu_grad (grid (5,1,1)")
		t.Setenv("CUDA_LAUNCH_BLOCKING", "1") // the same
	}
}

// Hardware runs behind the calls: what a launch or an upload fails with may be an earlier kernel's failure.
func TestLateErrorOfACall(t *testing.T) {
	lost := errors.New("CUDA_ERROR_ILLEGAL_ADDRESS")
	for name, call := range map[string]func(f *faulty, b *Backend, dst device.Into, src device.Tensor){
		"launch": func(f *faulty, b *Backend, dst device.Into, src device.Tensor) { f.launch = lost; b.Copy(dst, src) },
		"upload": func(f *faulty, b *Backend, dst device.Into, src device.Tensor) {
			f.upload = lost
			b.Upload(src, make([]float32, 5000))
		},
	} {
		f, b, dst, src := onFaultyDevice(t, &faulty{Device: emu.New(), hardware: true})
		b.Copy(dst, src)
		b.ReLUGrad(dst, src, src)
		call(f, b, dst, src)
		require.ErrorIs(t, b.Sync(), lost)
		require.ErrorContains(t, b.Sync(), "one of the last 2 kernels failed, the newest is relu_grad of ReLUGrad", name)
	}
	// With nothing before it that was not waited for, it is the call's own.
	f, b, dst, src := onFaultyDevice(t, &faulty{Device: emu.New(), hardware: true})
	f.launch = lost
	b.Copy(dst, src)
	require.ErrorContains(t, b.Sync(), "Copy, kernel accumulate (grid (5,1,1)")
}

// What the emulator refuses comes out of Sync as it is.
func TestEmulatorFault(t *testing.T) {
	_, b := onEmulator(t, nil, WithoutPool())
	x, y := b.Alloc(device.Vec(7)), b.Alloc(device.Vec(7))
	b.Copy(device.Into{Tensor: y, Mode: device.Set}, x)
	var f *emu.Fault
	require.ErrorAs(t, b.Sync(), &f)
	require.Equal(t, emu.Uninitialised, f.Kind)
	require.Equal(t, "copy", f.Kernel)
}

// The table of Adam's slots goes to the device once, and again when it changes.
func TestAdamKeepsItsTable(t *testing.T) {
	f, b, _, _ := onFaulty(t)
	vec := func(n int) device.Tensor {
		x := b.Alloc(device.Vec(n))
		b.Fill(x, 1)
		return x
	}
	slot := func(n int) device.AdamSlot { return device.AdamSlot{W: vec(n), Grad: vec(n), M: vec(n), V: vec(n)} }
	first, second := slot(3), slot(5)
	opt := device.AdamOptions{Step: 1, LR: 1, Beta1: 0.5, Beta2: 0.5}
	w := func(s device.AdamSlot) (v [3]float32) {
		x := make([]float32, s.W.Len())
		b.Download(x, s.W)
		return [3]float32(x)
	}
	update := func(uploads int, slots ...device.AdamSlot) {
		before := f.uploads
		b.Adam(slots, opt)
		require.NoError(t, b.Sync())
		require.Equal(t, uploads, f.uploads-before)
	}
	update(1, first, second)
	once := w(first)
	update(0, first, second)
	update(1, second, first)
	update(1, first)
	require.Less(t, w(first)[0], once[0])
	frozen := w(second)
	update(0, first)
	require.Equal(t, frozen, w(second))
	update(1, first, second)
	require.Less(t, w(second)[0], frozen[0])
	require.NoError(t, b.Close())
}

func TestClose(t *testing.T) {
	d, b := onEmulator(t, nil)
	x := b.Alloc(device.Vec(5))
	b.Fill(x, 1)
	require.NoError(t, b.Close(), "also with a tensor that was not freed: the emulator would report a leak")
	require.ErrorContains(t, d.Sync(), "closed")
	require.Equal(t, errClosed, b.Close())
	require.Equal(t, errClosed, b.Sync())
	b.Fill(x, 2)
	b.Free(x)
	require.True(t, b.Alloc(device.Vec(1)).Mem.(*buffer).ptr == 0)
}

// Work of several goroutines takes turns; none sees another's failure as its own data.
func TestGoroutines(t *testing.T) {
	_, b := onEmulator(t, nil)
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			x, y := b.Alloc(device.Vec(300+g)), b.Alloc(device.Vec(300+g))
			b.Fill(x, float32(g))
			b.Fill(y, 0)
			for range 5 {
				b.Copy(device.Into{Tensor: y, Mode: device.Add}, x)
			}
			got := make([]float32, y.Len())
			b.Download(got, y)
			for _, v := range got {
				if v != float32(5*g) {
					t.Errorf("goroutine %d: %g", g, v)
					break
				}
			}
			b.Free(x)
			b.Free(y)
		})
	}
	wg.Wait()
	require.NoError(t, b.Close())
}

func TestName(t *testing.T) {
	_, b := onEmulator(t, []emu.Option{emu.ComputeCapability(86)})
	require.Equal(t, "emu (emulator, sm_86)", b.Name())
	require.True(t, b.Info().Emulated)
}
