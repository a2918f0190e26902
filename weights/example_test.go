package weights_test

import (
	"fmt"
	"log"

	"voxgrad/device/cpu"
	"voxgrad/models"
	"voxgrad/weights"
)

// The built-in detector is an ensemble; each member says how its input is prepared.
func ExampleLoad() {
	dev := cpu.New()
	defer dev.Close()
	nets, names, err := weights.Load(dev, weights.Prefix+weights.Detector, models.Detector)
	if err != nil {
		log.Fatal(err)
	}
	for n, net := range nets {
		fmt.Printf("%s: %s of %d scans, normalize %s, voxels of %g mm\n", names[n], net.Kind, net.TimePoints(), net.Preparation.Normalize, net.Preparation.Spacing)
		net.Free()
	}
	// Output:
	// builtin:detector.1: detector of 2 scans, normalize kde, voxels of 1 mm
	// builtin:detector.2: detector of 2 scans, normalize kde, voxels of 1 mm
}
