// Normaltable fits the polynomials of rng.Normal32 and writes them for Go and for
// CUDA. Run it from the project's root:
//
//	go run ./tools/normaltable
package main

import (
	"bytes"
	"fmt"
	"log"
	"math"

	"voxgrad/internal/outfile"
)

const degree = 9

func main() {
	log.SetFlags(0)
	var g, c bytes.Buffer
	g.WriteString("// Written by tools/normaltable. DO NOT EDIT.\n\npackage rng\n\n")
	g.WriteString("// normalQuantile[o][k] is the coefficient of s^k on m in [2^o, 2^(o+1)), see Normal32.\n")
	fmt.Fprintf(&g, "var normalQuantile = [32][%d]float64{\n", degree+1)
	c.WriteString("// Written by tools/normaltable: the polynomials of rng.Normal32. DO NOT EDIT.\n#pragma once\n\n")
	fmt.Fprintf(&c, "static __constant__ double normal_quantile[32][%d] = {\n", degree+1)
	for octave := range 32 {
		g.WriteString("\t{")
		c.WriteString("\t{")
		for k, v := range fit(octave) {
			if k > 0 {
				g.WriteString(", ")
				c.WriteString(", ")
			}
			fmt.Fprintf(&g, "%x", v)
			fmt.Fprintf(&c, "%x", v)
		}
		g.WriteString("},\n")
		c.WriteString("},\n")
	}
	g.WriteString("}\n")
	c.WriteString("};\n")
	for file, b := range map[string][]byte{"internal/rng/normal_table.go": g.Bytes(), "cuda/kernels/normal_table.cuh": c.Bytes()} {
		if err := outfile.WriteBytes(file, b); err != nil {
			log.Fatal(err)
		}
	}
}

// fit interpolates the quantile of the octave at Chebyshev's points, with powers of s.
func fit(octave int) [degree + 1]float64 {
	const n = degree + 1
	var cheb [n]float64
	for j := range n {
		theta := math.Pi * (float64(j) + 0.5) / n
		m := math.Ldexp((math.Cos(theta)+3)/2, octave)
		q := quantile(m / (1 << 33))
		for k := range n {
			cheb[k] += 2 * q * math.Cos(float64(k)*theta) / n
		}
	}
	cheb[0] /= 2
	// T_k in powers of s, by T_(k+1) = 2 s T_k − T_(k−1).
	var out, prev, cur [n]float64
	prev[0], cur[1] = 1, 1
	for i := range n {
		out[i] = cheb[0]*prev[i] + cheb[1]*cur[i]
	}
	for k := 2; k < n; k++ {
		var next [n]float64
		for i := range n {
			if i > 0 {
				next[i] = 2 * cur[i-1]
			}
			next[i] -= prev[i]
			out[i] += cheb[k] * next[i]
		}
		prev, cur = cur, next
	}
	return out
}

// quantile is z ≥ 0 with the upper tail probability p in (0, ½], by Newton's method
// on log erfc.
func quantile(p float64) float64 {
	if p >= 0.5 {
		return 0
	}
	z := math.Sqrt(-2 * math.Log(2*p))
	for range 100 {
		tail := math.Erfc(z/math.Sqrt2) / 2
		density := math.Exp(-z*z/2) / math.Sqrt(2*math.Pi)
		step := (math.Log(tail) - math.Log(p)) * tail / density
		z += step
		if math.Abs(step) < 1e-15*(1+z) {
			break
		}
	}
	return z
}
