package prepare

import (
	"fmt"
	"log/slog"
	"math"

	"voxgrad/volume"
)

// denoise takes the noise out of the scans, where that is asked for.
func (j *job) denoise() error {
	if !j.s.Denoise {
		return nil
	}
	for n, v := range j.scans {
		sigma, err := NoiseLevel(v)
		if err != nil {
			return err
		}
		if j.scans[n], err = Denoise(v, sigma); err != nil {
			return err
		}
		j.rec.Scans[n].Noise = sigma
		slog.Info(fmt.Sprintf("%s: noise of %.3g taken out", v.Name(), sigma))
	}
	return nil
}

// correct takes the bias field out of each scan whose brain is known.
func (j *job) correct() error {
	j.fields = make([]*Field, len(j.scans))
	if !j.s.Bias {
		return nil
	}
	for n, v := range j.scans {
		mask := j.brains[n]
		if mask == nil {
			mask = j.brain(v.Grid, j.half[n].Inverse())
		}
		if mask == nil {
			j.warn(v.Name() + ": its bias field stays, as its brain is not known")
			continue
		}
		if _, err := volume.Scale(v, mask, volume.Median); err != nil { // a field multiplies; centred intensities have none
			return err
		}
		f, err := BiasField(v, mask)
		if err != nil {
			return err
		}
		on := f.On(v.Grid)
		out := v.Like()
		out.Path = v.Path
		for x, b := range on.Data {
			out.Data[x] = v.Data[x] / b
		}
		j.scans[n], j.fields[n], j.rec.Scans[n].Bias = out, f, spread(on, mask)
	}
	return nil
}

// spread is the standard deviation in a mask of the logarithm of a field.
func spread(field *volume.Volume, mask *volume.Mask) float64 {
	var sum, square, n float64
	for x, f := range field.Data {
		if mask.Data[x] {
			l := math.Log(float64(f))
			sum, square, n = sum+l, square+l*l, n+1
		}
	}
	if n == 0 {
		return 0
	}
	return math.Sqrt(max(0, square/n-sum/n*sum/n))
}

// correctRatio takes out the smooth field by which two prepared scans still differ, half of it of
// each.
func (j *job) correctRatio(p *Prepared) error {
	if len(p.Times) != 2 || p.Fields[0] == nil || p.Fields[1] == nil || p.Brain == nil {
		return nil
	}
	f, err := RatioField(p.Times[0], p.Times[1], p.Brain)
	if err != nil {
		return err
	}
	on := f.On(p.Brain.Grid)
	j.rec.Times.Ratio = spread(on, p.Brain)
	for x, r := range on.Data {
		half := float32(math.Sqrt(float64(r)))
		p.Times[0].Data[x] *= half
		p.Fields[0].Data[x] /= half
		p.Times[1].Data[x] /= half
		p.Fields[1].Data[x] *= half
	}
	return nil
}
