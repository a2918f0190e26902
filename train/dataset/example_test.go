package dataset_test

import (
	"fmt"
	"os"
	"path/filepath"

	"voxgrad/train/dataset"
)

func Example() {
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	for _, name := range []string{"013/flair_time01_on_middle_space.nii.gz", "013/flair_time02_on_middle_space.nii.gz"} {
		if err := os.MkdirAll(filepath.Join(root, "013"), 0o777); err != nil {
			panic(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o666); err != nil {
			panic(err)
		}
	}
	set, err := dataset.Open(root, dataset.Options{})
	if err != nil {
		panic(err)
	}
	for _, c := range set.Cases {
		fmt.Println(set.Layout, c.ID, len(c.Times), "images, missing:", c.Missing[0])
	}
	// Output: challenge 013 2 images, missing: lesion mask (looked for 013/ground_truth.nii.gz or ground_truth_expert{1..4}.nii.gz)
}
