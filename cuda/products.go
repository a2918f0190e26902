package cuda

import (
	"voxgrad/cuda/driver"
)

// Which blocks of weights a product of them adds: see kernels/products.cuh.
const (
	compositeProduct = iota
	tapsProduct
	upsProduct
	squareProduct
	secondProduct
)

// Of the kernels of weights with weights; see kernels/products_tf32.cu.
const (
	weightsTile   = 48
	weightsShared = 4 * 2 * 32 * 56 * 4 // bytes, on tensor cores
)

// matrices is a product of weights with weights, C[z] = Σ A[a]·B[b] for so many blocks z of C, m by n, over k: rows of A and B are lda and ldb apart, blocks aStep and bStep.
type matrices struct {
	kernel        string // nn, tn, nt: whether A or B is turned round, as in BLAS
	which, blocks int
	terms         int        // of a block whose sum may be shared, 0: it is not
	c, a, b       driver.Ptr // c 0: a workspace
	m, n, k       int
	lda, ldb      int
	aStep, bStep  int

	gamma, invstd driver.Ptr // factors of what k counts, or of C's columns; may be null
	columns       bool
}

// shares is of how many terms a share is, and how many there are: enough for so many blocks.
func (p matrices) shares(atOnce int) (share, shares int) {
	if p.terms == 0 {
		return 31, 1
	}
	share = ceil(p.terms, min(p.terms, ceil(atOnce, ceil(p.m, weightsTile)*ceil(p.n, weightsTile)*p.blocks)))
	return share, ceil(p.terms, share)
}

// weightProduct rounds to tf32 where tensor cores multiply: in bf16, what is made of it is rounded more. Of several shares C has a part for each.
func (o *op) weightProduct(p matrices) (parts sumParts) {
	l := driver.Launch{Grid: driver.Dim{X: ceil(p.m, weightsTile), Y: ceil(p.n, weightsTile)}, Block: driver.D1(96)}
	module, atOnce := "products", 2*o.b.opt.spread
	if o.b.opt.precision != FP32 && (p.m|p.n|p.k|p.lda|p.ldb)%4 == 0 {
		module, atOnce, l.Block, l.Shared = "products_tf32", o.b.opt.spread, driver.D1(128), weightsShared
	}
	share, shares := p.shares(atOnce)
	if p.c == 0 {
		p.c = o.workspace(shares * p.blocks * p.m * p.n)
	}
	l.Grid.Z = shares * p.blocks
	o.launch(module, module+"_"+p.kernel, l, p.c, p.a, p.b, p.gamma, p.invstd, p.columns, p.which, p.blocks, share, p.m, p.n, p.k, p.lda, p.ldb, p.aStep, p.bStep)
	return sumParts{p.c, shares}
}

// wholeProduct is weightProduct with its parts added.
func (o *op) wholeProduct(p matrices) driver.Ptr {
	parts := o.weightProduct(p)
	if parts.n == 1 {
		return parts.at
	}
	whole := o.workspace(p.blocks * p.m * p.n)
	o.launch("conv_grad", "grad_finish", PerElement(p.blocks*p.m*p.n, 1), whole, parts.at, parts.n, p.blocks*p.m*p.n, p.m, p.n, false, false)
	return whole
}
