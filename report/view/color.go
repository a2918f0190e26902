package view

import (
	"image/color"

	"voxgrad/report"
)

func rgb(c color.RGBA) [3]uint8 { return [3]uint8{c.R, c.G, c.B} }

// heatColors is the scale of report.Heat.
func heatColors() [][3]uint8 {
	const steps = 16
	var all [][3]uint8
	for i := range steps {
		all = append(all, rgb(report.Heat(float64(i)/(steps-1))))
	}
	return all
}
