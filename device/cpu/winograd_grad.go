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

// winoShare is a piece's channels.
type winoShare struct {
	class        *winoClass
	x0, x, y0, y int
}

// shares lists the pieces of one part.
func (w *winoSum) shares() (all []winoShare) {
	for i := range w.classes {
		for x0 := 0; x0 < w.xs.C; x0 += winoChannels {
			for y0 := 0; y0 < w.dys.C; y0 += winoChannels {
				all = append(all, winoShare{&w.classes[i], x0, min(winoChannels, w.xs.C-x0), y0, min(winoChannels, w.dys.C-y0)})
			}
		}
	}
	return all
}

func (b *engine) winoGradW(w *winoSum, dw []float32, mode device.Mode) {
	w.cut = winoCut(w.xs.N, w.grid, winoSumTiles, 1)
	shares := w.shares()
	w.parts = max(1, min(ceil(pieces, 4*len(shares)), w.cut.total/2))
	size := places * min(winoChannels, w.xs.C) * min(winoChannels, w.dys.C)
	sums := b.workspace(len(shares) * w.parts * size)
	defer b.free(sums)
	b.forScratch(4*len(shares)*w.parts, func(s *scratch, i int) {
		sh := &shares[i/4/w.parts]
		if d := i % 4; sh.class.at(d) {
			w.piece(b, s, sh, i/4%w.parts, d, sums[i/4*size+d*winoSlice*sh.x*sh.y:][:winoSlice*sh.x*sh.y])
		}
	})
	b.forScratch(len(shares), func(s *scratch, i int) {
		w.finish(b, s, &shares[i], sums[i*w.parts*size:], size, dw, mode)
	})
}

// winoSumTiles is the tiles of a block: the sums are read and written once for each.
const winoSumTiles = 64

// piece adds up what a part of the tiles has for a share at place d along the first axis: [place][panel][x][16].
func (w *winoSum) piece(b *engine, s *scratch, sh *winoShare, part, d int, sums []float32) {
	clear(sums)
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
		v := s.floats(4, winoSlice*tiles*sh.x)
		winoInput(b, s, v, &blk, w.x, w.xs, sh.class, lattice{n: w.grid, stride: 1}, d, sh.x0, sh.x)
		e := w.back(b, s, &blk, sh, d)
		a.run, a.wStep = tiles, tiles*panel
		for p := range winoSlice {
			if sh.class.uses(d*winoSlice + p) {
				a.x, a.w, a.y = v[p*tiles*sh.x:], e[p*panels*tiles*panel:], sums[p*sh.x*sh.y:]
				b.corr(a)
			}
		}
	}
}

// back is A of a share's channels of dy at place d along the first axis: [place][panel][tile][16], in slot 5.
func (w *winoSum) back(b *engine, s *scratch, blk *block, sh *winoShare, d int) []float32 {
	t := blk.size
	tiles := blk.voxels()
	out := *blk // the outputs of the tiles
	for i := range 3 {
		out.start[i], out.extent[i] = 2*blk.from[i], 2*t[i]
	}
	l := lattice{n: w.grid, first: sh.class.first, stride: w.stride}
	panels := sh.y / panel
	e := s.floats(5, winoSlice*panels*tiles*panel)
	h0, h1 := sh.class.used(1).span()
	for k0 := 0; k0 < sh.y; k0 += winoChunk {
		k := min(winoChunk, sh.y-k0)
		line := 2 * t[2] * k
		deep, high := s.floats(0, 2*t[1]*line), s.floats(1, 4*line)
		for i := range t[0] {
			b.planes(deep, w.dy, &out, w.dys, l, out.start[0]+2*i, planesBack[d], sh.y0+k0, k)
			for h := range t[1] {
				b.pass(winoBack, sh.class.used(1), &passArgs{dst: high, src: deep[2*h*line:], n: line, count: 1, rows: 1, srcStep: line, dstStep: line})
				for p := 0; p < k; p += panel {
					b.pass(winoBack, sh.class.used(2), &passArgs{dst: e[(h0*4*panels*tiles+(k0+p)/panel*tiles+(i*t[1]+h)*t[2])*panel:],
						src: high[h0*line+p:], n: panel, count: t[2], rows: h1 - h0, srcStep: k, dstStep: panels * tiles * panel,
						srcNext: 2 * k, dstNext: panel, srcRow: line, dstRow: 4 * panels * tiles * panel})
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
		k := sh.class.tap(t, w.width)
		if k < 0 {
			continue
		}
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
