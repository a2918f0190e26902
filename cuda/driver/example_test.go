package driver_test

import (
	"fmt"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
)

// A kernel on any Driver: the emulator here, a GPU with package cuda/gpu.
func Example() {
	var d driver.Driver = emu.New()
	m, err := d.Load(`
.version 7.8
.target sm_61
.address_size 64
.visible .entry number(.param .u64 out)
{
	.reg .b32 %r<2>;
	.reg .b64 %rd<3>;
	ld.param.u64 %rd1, [out];
	mov.u32 %r1, %ctaid.x;
	mad.wide.u32 %rd2, %r1, 4, %rd1;
	st.global.u32 [%rd2], %r1;
	ret;
}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	k, _ := m.Kernel("number")
	out, _ := d.Alloc(4 * 4)
	l := driver.Launch{Grid: driver.D1(4), Block: driver.D1(1)}
	if err := d.Launch(k, l, out); err != nil {
		fmt.Println(err)
		return
	}
	host := make([]byte, 16)
	_ = d.ToHost(host, out)
	fmt.Println(l)
	fmt.Println(host)
	fmt.Println(d.Free(out), d.Close())
	// Output:
	// grid (4,1,1), block (1,1,1), 0 bytes of dynamic shared memory
	// [0 0 0 0 1 0 0 0 2 0 0 0 3 0 0 0]
	// <nil> <nil>
}
