package prepare

import (
	"fmt"
	"math"

	"voxgrad/internal/par"
	"voxgrad/volume"
)

// NoiseLevel is the standard deviation of the noise of a magnitude image: 1.4826 times the
// median of the absolute details of the finest scale (Haar wavelets, along all axes
// that have neighbours) among voxels of the head, as in Coupé et al., Medical Image
// Analysis 14 (2010). Details of the head are taken where their eight voxels are alike, so
// that edges count little. An image that was interpolated after it was
// measured has less noise at the finest scale than in all, and then so is the answer.
func NoiseLevel(v *volume.Volume) (float64, error) {
	if err := v.CheckFinite(); err != nil {
		return 0, err
	}
	var positive []float32
	for i := 0; i < len(v.Data); i += 1 + len(v.Data)/500000 {
		if v.Data[i] > 0 {
			positive = append(positive, v.Data[i])
		}
	}
	if len(positive) < leastLogs {
		return 0, fmt.Errorf("%s: next to no voxel is above 0: is the image empty?", v.Name())
	}
	// In the head and well above the noise, where it is as good as normal.
	least := float32(volume.Percentile(positive, 98) / 4)
	var step [3]int
	count := 1
	for a, n := range v.Size {
		if n > 1 {
			step[a] = 1
			count *= 2
		}
	}
	perSlice := make([][]float32, v.Size[2])
	par.For(v.Size[2], func(k int) {
		if k%2 == 1 || k+step[2] >= v.Size[2] {
			return
		}
		var out []float32
		for j := 0; j+step[1] < v.Size[1]; j += 2 {
			for i := 0; i+step[0] < v.Size[0]; i += 2 {
				sum, lowest := float32(0), float32(math.Inf(1))
				for c := range 8 {
					d := [3]int{c & 1, c >> 1 & 1, c >> 2}
					if d[0] > step[0] || d[1] > step[1] || d[2] > step[2] {
						continue
					}
					f := v.At(i+d[0], j+d[1], k+d[2])
					lowest = min(lowest, f)
					if (d[0]+d[1]+d[2])%2 == 1 {
						f = -f
					}
					sum += f
				}
				if lowest > least {
					out = append(out, float32(math.Abs(float64(sum))/math.Sqrt(float64(count))))
				}
			}
		}
		perSlice[k] = out
	})
	var details []float32
	for _, s := range perSlice {
		details = append(details, s...)
	}
	if len(details) < leastLogs {
		return 0, fmt.Errorf("%s: too few voxels inside the head to estimate its noise from", v.Name())
	}
	return 1.4826 * volume.Percentile(details, 50), nil
}
