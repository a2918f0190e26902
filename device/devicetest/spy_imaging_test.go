package devicetest

import "voxgrad/device"

func (s *spy[F]) AlongAxis(y device.Into, x, m device.Tensor, axis int) {
	s.do("AlongAxis", nil, intos{&y}, ins{&x, &m}, func() { s.ref.AlongAxis(y, x, m, axis) })
}

func (s *spy[F]) Orient(y, x device.Tensor, perm [3]int, flip [3]bool) {
	s.do("Orient", outs{&y}, nil, ins{&x}, func() { s.ref.Orient(y, x, perm, flip) })
}

func (s *spy[F]) Resample(y, x, outside device.Tensor, to [3][4]float64) {
	s.do("Resample", outs{&y}, nil, ins{&x, &outside}, func() { s.ref.Resample(y, x, outside, to) })
}

func (s *spy[F]) Blend(y, x, z device.Tensor, p, q float64) {
	s.do("Blend", outs{&y}, nil, ins{&x, &z}, func() { s.ref.Blend(y, x, z, p, q) })
}

func (s *spy[F]) Min(least, x device.Tensor) {
	s.do("Min", outs{&least}, nil, ins{&x}, func() { s.ref.Min(least, x) })
}

func (s *spy[F]) BiasField(y, x, coef device.Tensor, order int) {
	s.do("BiasField", outs{&y}, nil, ins{&x, &coef}, func() { s.ref.BiasField(y, x, coef, order) })
}

func (s *spy[F]) Noise(y, x device.Tensor, sd float64, key uint64) {
	s.do("Noise", outs{&y}, nil, ins{&x}, func() { s.ref.Noise(y, x, sd, key) })
}

func (s *spy[F]) KSpacePeak(peak, re, im device.Tensor) {
	s.do("KSpacePeak", outs{&peak}, nil, ins{&re, &im}, func() { s.ref.KSpacePeak(peak, re, im) })
}

func (s *spy[F]) KSpaceSpike(re, im, peak device.Tensor, at [3]int, ratio float64) {
	s.do("KSpaceSpike", outs{&re, &im}, nil, ins{&peak}, func() { s.ref.KSpaceSpike(re, im, peak, at, ratio) })
}

func (s *spy[F]) SpikeInImage(y, x, peak device.Tensor, at [3]int, ratio float64) {
	s.do("SpikeInImage", outs{&y}, nil, ins{&x, &peak}, func() { s.ref.SpikeInImage(y, x, peak, at, ratio) })
}

func (s *spy[F]) RegionStats(stats, x, mask device.Tensor) {
	s.do("RegionStats", outs{&stats}, nil, ins{&x, &mask}, func() { s.ref.RegionStats(stats, x, mask) })
}

func (s *spy[F]) RegionNoise(y, x, mask, stats device.Tensor, key uint64) {
	s.do("RegionNoise", outs{&y}, nil, ins{&x, &mask, &stats}, func() { s.ref.RegionNoise(y, x, mask, stats, key) })
}

func (s *spy[F]) Select(y, mask, p, q device.Tensor) {
	s.do("Select", outs{&y}, nil, ins{&mask, &p, &q}, func() { s.ref.Select(y, mask, p, q) })
}

func (s *spy[F]) PutSample(batch device.Tensor, n int, x device.Tensor) {
	s.do("PutSample", outs{&batch}, nil, ins{&x}, func() { s.ref.PutSample(batch, n, x) })
}

func (s *spy[F]) TakeSample(x, batch device.Tensor, n int) {
	s.do("TakeSample", outs{&x}, nil, ins{&batch}, func() { s.ref.TakeSample(x, batch, n) })
}
