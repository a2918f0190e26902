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

// shares is of how many terms a share is, and how many there are: enough for as many blocks as run at once.
func (p matrices) shares(atOnce int) (share, shares int) {
	if p.terms == 0 {
		return 31, 1
	}
	share = ceil(p.terms, min(p.terms, ceil(atOnce, ceil(p.m, weightsTile)*ceil(p.n, weightsTile)*p.blocks)))
	return share, ceil(p.terms, share)
}

// weightProduct is in fp32 but where operands are bf16: what is made of it is rounded more than to tf32. Of several shares C has a part for each, in place of c.
func (o *op) weightProduct(p matrices) (parts sumParts) {
	share, shares := p.shares(o.b.opt.blocks)
	if p.c == 0 {
		p.c = o.workspace(shares * p.blocks * p.m * p.n)
	}
	l := driver.Launch{Grid: driver.Dim{X: ceil(p.m, weightsTile), Y: ceil(p.n, weightsTile), Z: shares * p.blocks}, Block: driver.D1(96)}
	module := "products"
	if o.b.opt.precision == BF16 && (p.m|p.n|p.k|p.lda|p.ldb)%4 == 0 {
		module, l.Block, l.Shared = "products_tf32", driver.D1(128), weightsShared
	}
	o.launch(module, module+"_"+p.kernel, l, p.c, p.a, p.b, p.gamma, p.invstd, p.columns, p.which, p.blocks, share, p.m, p.n, p.k, p.lda, p.ldb, p.aStep, p.bStep)
	return sumParts{p.c, shares}
}
