package train_test

import (
	"fmt"

	"voxgrad/train"
)

// A configuration file names only what differs from the published recipe.
func ExampleConfig_ParseTOML() {
	c := train.Defaults("segmenter")
	err := c.ParseTOML([]byte("[adam]\nlearning_rate = 3e-4\n[run]\nbatch = 2\n"))
	fmt.Println(err, c.Adam.LearningRate, c.Run.Batch, c.Sampler.Patch)
	fmt.Println(c.ParseTOML([]byte("[run]\nbtach = 2\n")))
	// Output:
	// <nil> 0.0003 2 [64 64 64]
	// line 2: unknown key run.btach; did you mean run.batch?
}
