package emu_test

import (
	"errors"
	"fmt"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
)

const double = `
.version 7.8
.target sm_61
.address_size 64
.visible .entry double(.param .u64 x)
{
	.reg .b32 %r<3>;
	.reg .b64 %rd<3>;
	mov.u32 %r1, %tid.x;
	ld.param.u64 %rd1, [x];
	mad.wide.u32 %rd1, %r1, 4, %rd1;
	ld.global.u32 %r2, [%rd1];
	shl.b32 %r2, %r2, 1;
	st.global.u32 [%rd1], %r2;
	ret;
}`

// A kernel runs on 4 integers; a fifth thread reads what nobody wrote.
func Example() {
	d := emu.New()
	m, err := d.Load(double)
	if err != nil {
		panic(err)
	}
	k, _ := m.Kernel("double")
	x, _ := d.Alloc(20)
	_ = d.ToDevice(x, []byte{1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0})
	if err := d.Launch(k, driver.Launch{Grid: driver.D1(1), Block: driver.D1(4)}, uint64(x)); err != nil {
		panic(err)
	}
	y := make([]byte, 16)
	_ = d.ToHost(y, x)
	fmt.Println(y[0], y[4], y[8], y[12])
	s := d.Stats()["double"]
	fmt.Println(s.GlobalLoadSectors, "sector read,", s.LaneInstructions, "instructions of threads")

	err = d.Launch(k, driver.Launch{Grid: driver.D1(1), Block: driver.D1(5)}, uint64(x))
	var f *emu.Fault
	if errors.As(err, &f) {
		fmt.Printf("%s in line %d, thread %v: %s\n", f.Kind, f.Line, f.Thread, f.Detail)
	}
	// Output:
	// 2 4 6 8
	// 1 sector read, 28 instructions of threads
	// uninitialised read in line 12, thread (4,0,0): read of 4 bytes: nobody wrote byte 16 of allocation 1 (20 bytes at 0x100100000)
}
