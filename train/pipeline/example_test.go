package pipeline_test

import (
	"fmt"
	"strings"

	"voxgrad/train/pipeline"
)

// A file names what differs from the published recipe; a stage's own table comes
// on top of what holds for all stages.
func ExampleConfig_ParseTOML() {
	c := pipeline.Defaults()
	err := c.ParseTOML([]byte("[adam]\nlearning_rate = 1e-3\n[finetune.adam]\nlearning_rate = 3e-5\n"))
	fmt.Println(err, c.Segmenter.Adam.LearningRate, c.Finetune.Adam.LearningRate, c.Members)
	fmt.Println(c.ParseTOML([]byte("[data.test]\nroot = \"x\"\nlayuot = \"csv\"\n")))
	// Output:
	// <nil> 0.001 3e-05 5
	// line 3: unknown key data.test.layuot; did you mean data.test.layout?
}

// The steps of the method with two members; without synthesis there are fewer.
func ExampleOpen() {
	c := pipeline.Defaults()
	c.Members = 2
	c.Data.Single.Root, c.Data.Pairs.Root, c.Data.Test.Root = "single", "pairs", "test"
	for _, synthesis := range []bool{true, false} {
		c.Method.Synthesis = synthesis
		p, err := pipeline.Open(pipeline.Job{Config: c, Out: "runs/ms"})
		if err != nil {
			fmt.Println(err)
			return
		}
		var names []string
		for _, s := range p.Steps() {
			names = append(names, s.Name)
		}
		fmt.Println(strings.Join(names, " "))
	}
	// Output:
	// segmenter inpainter generator detector/fold_0 finetune/fold_0 detector/fold_1 finetune/fold_1 predict evaluate baseline out_of_fold report
	// segmenter finetune/fold_0 finetune/fold_1 predict evaluate baseline out_of_fold report
}
