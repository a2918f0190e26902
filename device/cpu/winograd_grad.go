package cpu

import (
	"voxgrad/device"
)

// winoSum is the gradient of a 3³ convolution's weights the same way, as the transpose of F(2³, 3³):
//
//	dw = Gᵀ[Σ over tiles of (Bᵀ·x) ⊗ (A·dy)]       ⊗ of channels, at each of the 64 places
//
// A piece of work owns the sums for some channels of x and of dy, of one class of dy, over one of a fixed number of
// parts of the tiles. The parts are added in order.
type winoSum struct {
	x, dy   []float32
	xs, dys device.Shape
	grid    [3]int // of a class
	stride  int    // of a class in dy
	classes []winoClass
	width   int // of the window
	cut     cut
	parts   int
}

// channels is how many channels of x and dy a piece has: the sums stay in a second-level cache.
func (w *winoSum) channels() int {
	if len(w.classes) > 1 { // 27 places
		return winoChannels
	}
	return winoChannels / 2
}

// winoShare is a piece's channels.
type winoShare struct {
	class        *winoClass
	x0, x, y0, y int
}

// shares lists the pieces of one part.
func (w *winoSum) shares() (all []winoShare) {
	most := w.channels()
	for i := range w.classes {
		for x0 := 0; x0 < w.xs.C; x0 += most {
			for y0 := 0; y0 < w.dys.C; y0 += most {
				all = append(all, winoShare{&w.classes[i], x0, min(most, w.xs.C-x0), y0, min(most, w.dys.C-y0)})
			}
		}
	}
	return all
}

func (b *engine) winoGradW(w *winoSum, dw []float32, mode device.Mode) {
	w.cut = winoCut(w.xs.N, w.grid, winoTiles)
	shares := w.shares()
	w.parts = max(1, min(ceil(pieces, len(shares)), w.cut.total/2))
	size := places * w.channels() * w.channels()
	sums := b.workspace(len(shares) * w.parts * size)
	defer b.free(sums)
	b.forScratch(len(shares)*w.parts, func(s *scratch, i int) {
		w.piece(b, s, &shares[i/w.parts], i%w.parts, sums[i*size:][:size])
	})
	b.forScratch(len(shares), func(s *scratch, i int) {
		w.finish(b, s, &shares[i], sums[i*w.parts*size:], size, dw, mode)
	})
}

// piece adds up what a part of the tiles has for a share: [place][panel][x][16].
func (w *winoSum) piece(b *engine, s *scratch, sh *winoShare, part int, sums []float32) {
	clear(sums[:places*sh.x*sh.y])
	panels := sh.y / panel
	a := &s.corr
	*a = corrArgs{step: sh.x, rows: sh.x, xoff: s.ints(0, padded(sh.x)), yoff: s.ints(1, padded(sh.x)), taps: s.ints(2, 1),
		panels: panels, yStep: sh.x * panel, add: 1, floor: negInf}
	a.taps[0] = 0
	dense(a.xoff, sh.x, 1)
	dense(a.yoff, sh.x, panel)
	for i := part * w.cut.total / w.parts; i < (part+1)*w.cut.total/w.parts; i++ {
		blk := w.cut.block(i)
		tiles := blk.voxels()
		v := winoInput(b, s, &blk, w.x, w.xs, sh.class, lattice{n: w.grid, stride: 1}, sh.x0, sh.x)
		e := w.back(b, s, &blk, sh)
		a.run, a.wStep = tiles, tiles*panel
		for p := range places {
			if sh.class.uses(p) {
				a.x, a.w, a.y = v[p*tiles*sh.x:], e[p*panels*tiles*panel:], sums[p*sh.x*sh.y:]
				b.corr(a)
			}
		}
	}
}

// back is A of a share's channels of dy: [place][panel][tile][16], in slot 5.
func (w *winoSum) back(b *engine, s *scratch, blk *block, sh *winoShare) []float32 {
	t := blk.size
	tiles := blk.voxels()
	out := *blk // the outputs of the tiles
	for i := range 3 {
		out.start[i], out.extent[i] = 2*blk.from[i], 2*t[i]
	}
	l := lattice{n: w.grid, first: sh.class.first, stride: w.stride}
	panels := sh.y / panel
	e := s.floats(5, places*panels*tiles*panel)
	line := 2 * t[2] * panel
	plane := 2 * t[1] * line
	dy, deep, high := s.floats(0, 2*t[0]*plane), s.floats(1, 4*plane), s.floats(2, 16*line)
	d0, d1 := sh.class.used(0).span()
	h0, h1 := sh.class.used(1).span()
	for p := range panels {
		out.pack(dy, w.dy, w.dys, l, sh.y0+p*panel, panel, b.simd)
		for d := range t[0] {
			b.pass(winoBack, sh.class.used(0), &passArgs{dst: deep, src: dy[2*d*plane:], n: plane, count: 1, rows: 1, srcStep: plane, dstStep: plane})
			for h := range t[1] {
				b.pass(winoBack, sh.class.used(1), &passArgs{dst: high[d0*4*line:], src: deep[d0*plane+2*h*line:], n: line, count: d1 - d0, rows: 1,
					srcStep: line, dstStep: line, srcNext: plane, dstNext: 4 * line})
				for k := d0; k < d1; k++ {
					b.pass(winoBack, sh.class.used(2), &passArgs{dst: e[((k*16+h0*4)*panels*tiles+p*tiles+(d*t[1]+h)*t[2])*panel:],
						src: high[(k*4+h0)*line:], n: panel, count: t[2], rows: h1 - h0, srcStep: panel, dstStep: panels * tiles * panel,
						srcNext: 2 * panel, dstNext: panel, srcRow: line, dstRow: 4 * panels * tiles * panel})
				}
			}
		}
	}
	return e
}

// finish adds a share's parts, size floats apart, to those of the first, takes Gᵀ of them and writes dw.
func (w *winoSum) finish(b *engine, s *scratch, sh *winoShare, sums []float32, size int, dw []float32, mode device.Mode) {
	n := sh.x * sh.y
	for part := 1; part < w.parts; part++ {
		b.add(sums[:places*n], sums[part*size:][:places*n])
	}
	wide, high, g := s.floats(0, 48*n), s.floats(1, 36*n), s.floats(2, taps3*n)
	b.pass(winoWeightsBack, all4, &passArgs{dst: wide, src: sums, n: n, count: 16, rows: 1, srcStep: n, dstStep: n, srcNext: 4 * n, dstNext: 3 * n})
	b.pass(winoWeightsBack, all4, &passArgs{dst: high, src: wide, n: 3 * n, count: 4, rows: 1, srcStep: 3 * n, dstStep: 3 * n, srcNext: 12 * n, dstNext: 9 * n})
	b.pass(winoWeightsBack, all4, &passArgs{dst: g, src: high, n: 9 * n, count: 1, rows: 1, srcStep: 9 * n, dstStep: 9 * n})
	for t := range taps3 {
		d, h, v := sh.class.taps[0][t/9], sh.class.taps[1][t/3%3], sh.class.taps[2][t%3]
		if d < 0 || h < 0 || v < 0 {
			continue
		}
		k := (d*w.width+h)*w.width + v
		for c := range sh.x {
			to := dw[(k*w.xs.C+sh.x0+c)*w.dys.C+sh.y0:][:sh.y]
			for p := 0; p < sh.y; p += panel {
				from := g[t*n+p*sh.x+c*panel:][:panel]
				if mode == device.Add {
					for l, x := range from {
						to[p+l] += x
					}
				} else {
					copy(to[p:], from)
				}
			}
		}
	}
}
