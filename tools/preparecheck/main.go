// Preparecheck runs single steps of package prepare on files, for compare.py, which holds
// them against SimpleITK and dipy on the same images.
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"voxgrad/prepare"
	"voxgrad/volume"
)

const usage = `usage: preparecheck bias SCAN MASK FIELD    finds the field of SCAN inside MASK and writes it
       preparecheck denoise SCAN OUT SIGMA  takes noise out, SIGMA 0: as estimated
It prints the seconds of the step itself.`

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("%s", usage)
	}
	v, err := volume.Read(args[1])
	if err != nil {
		return err
	}
	switch args[0] {
	case "bias":
		mask, err := volume.ReadMask(args[2])
		if err != nil {
			return err
		}
		start := time.Now()
		field, err := prepare.BiasField(v, mask)
		if err != nil {
			return err
		}
		on := field.On(v.Grid)
		fmt.Println(time.Since(start).Seconds())
		return volume.Write(args[3], on, volume.Float32)
	case "denoise":
		sigma, err := strconv.ParseFloat(args[3], 64)
		if err != nil {
			return err
		}
		start := time.Now()
		if sigma == 0 {
			if sigma, err = prepare.NoiseLevel(v); err != nil {
				return err
			}
		}
		out, err := prepare.Denoise(v, sigma)
		if err != nil {
			return err
		}
		fmt.Println(time.Since(start).Seconds(), sigma)
		return volume.Write(args[2], out, volume.Float32)
	}
	return fmt.Errorf("%s", usage)
}
