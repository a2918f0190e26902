package tensorboard_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"voxgrad/train/tensorboard"
)

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	w, err := tensorboard.Create(dir)
	if err != nil {
		panic(err)
	}
	for step, loss := range []float64{0.5, 0.4, 0.35} {
		if err := w.Scalars(step+1, tensorboard.Scalar{Tag: "train/loss", Value: loss}); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	fmt.Println(strings.HasPrefix(filepath.Base(w.Path()), "events.out.tfevents."))
	// Output: true
}
