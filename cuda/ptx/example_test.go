package ptx_test

import (
	"fmt"

	"voxgrad/cuda/ptx"
)

func ExampleParse() {
	m, err := ptx.Parse(`
.version 7.8
.target sm_61
.address_size 64
.visible .entry fill(.param .u64 fill_param_0, .param .f32 fill_param_1)
{
	.reg .b64 %rd<2>;
	.reg .f32 %f<2>;
	ld.param.u64 %rd1, [fill_param_0];
	ld.param.f32 %f1, [fill_param_1];
	st.global.f32 [%rd1], %f1;
	ret;
}`)
	if err != nil {
		panic(err)
	}
	k := m.Entry("fill")
	for _, p := range k.Params {
		fmt.Printf("%s: %d bytes\n", p.Name, p.Size)
	}
	st := k.Code[2]
	fmt.Printf("line %d: %s\n", st.Line, st.Text)
	// Output:
	// fill_param_0: 8 bytes
	// fill_param_1: 4 bytes
	// line 11: st.global.f32 [%rd1], %f1
}
