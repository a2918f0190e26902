package sample_test

import (
	"fmt"

	"voxgrad/train/sample"
)

// counting is a source of samples that hold nothing but their number.
type counting struct{}

func (counting) Draw(i int) (*sample.Sample, error) { return &sample.Sample{Index: i}, nil }

func ExampleDrawBatch() {
	b, err := sample.DrawBatch(counting{}, 8, 4)
	if err != nil {
		panic(err)
	}
	for _, s := range b.Samples {
		fmt.Print(s.Index, " ")
	}
	// Output: 8 9 10 11
}

func ExampleOrient() {
	p := &sample.Sample{Size: [3]int{1, 1, 3}, Images: [][]float32{{1, 2, 3}}, Labels: []uint8{0, 0, 3}}
	sample.Orient(p, [3]int{0, 1, 2}, [3]bool{false, false, true})
	fmt.Println(p.Images[0], p.Labels)
	// Output: [3 2 1] [3 0 0]
}
