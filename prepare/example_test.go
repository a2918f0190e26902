package prepare_test

import (
	"context"
	"fmt"
	"log"

	"voxgrad/prepare"
	"voxgrad/volume"
)

// Two time points that are stripped and on one grid: what Run did with them is in the record.
func ExampleRun() {
	o := volume.DefaultPhantom(1) // instead of volume.Read
	o.Size = [3]int{64, 64, 64}
	p, err := volume.NewPhantom(o)
	if err != nil {
		log.Fatal(err)
	}
	s := prepare.Defaults()
	s.Atlas, s.Bias = prepare.None, false
	got, err := prepare.Run(context.Background(), prepare.Input{Times: []*volume.Volume{p.Time1, p.Time2}}, s)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("time points:", got.Record.Times.How)
	fmt.Println("brain:", got.Record.Scans[0].Brain)
	fmt.Println("prepared:", got.Record.Grid.Size, got.Record.Grid.Spacing)
	fmt.Println("to the first scan:", got.ToScan[0] == volume.Identity)
	// Output:
	// time points: one grid
	// brain: stripped
	// prepared: [64 64 64] [1 1 1]
	// to the first scan: true
}

// A scan that is handed over in another place of the world is found again.
func ExampleRegister() {
	o := volume.DefaultPhantom(1)
	o.Size, o.ShiftMM, o.TurnDeg = [3]int{64, 64, 64}, 0, 0
	p, err := volume.NewPhantom(o)
	if err != nil {
		log.Fatal(err)
	}
	moved := *p.Time2
	moved.Affine[2][3] += 12 // mm, upwards
	r, err := prepare.Register(p.Time1, &moved, nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	to := r.Between().Apply([3]float64{0, 0, 0})
	fmt.Printf("up by %.0f mm; they match: %t\n", to[2], r.Correlation > 0.85)
	// Output: up by 12 mm; they match: true
}
