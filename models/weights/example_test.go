package weights_test

import (
	"fmt"
	"os"
	"path/filepath"

	"voxgrad/models/weights"
)

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "net.safetensors")
	x := weights.Float32("conv.bias", nil, []float32{0.5, -1})
	if err := weights.Write(path, []weights.Tensor{x}, map[string]string{"model": "segmenter"}); err != nil {
		panic(err)
	}
	f, err := weights.Read(path)
	if err != nil {
		panic(err)
	}
	for _, t := range f.Tensors {
		v, _ := t.Float32s()
		fmt.Println(f.Meta["model"], t.Name, t.Type, t.Shape, v)
	}
	// Output: segmenter conv.bias F32 [2] [0.5 -1]
}
