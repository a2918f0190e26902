package devicetest_test

import (
	"fmt"

	"voxgrad/device/devicetest"
	"voxgrad/device/ref"
)

// A program prints the table instead of running it as a test.
func ExampleCases() {
	b := ref.New[float32]()
	failed := 0
	for _, c := range devicetest.Cases(devicetest.Options{}) {
		if c.Closes || c.Methods[0] != "Upsample" {
			continue
		}
		rep, err := c.Check(b)
		if err != nil {
			failed++
			fmt.Println(err)
		}
		fmt.Println(c.Name, "within its bound:", rep.MaxErr <= rep.Bound)
	}
	fmt.Println("failed:", failed)
	// Output:
	// Upsample/[2 5 6 7 3] within its bound: true
	// Upsample/[1 1 1 1 1] within its bound: true
	// Upsample/[1 5 1 2 8] within its bound: true
	// Upsample/[3 2 5 3 17] within its bound: true
	// Upsample/[1 5 5 6 24] within its bound: true
	// Upsample/[1 3 7 5 48] within its bound: true
	// failed: 0
}
