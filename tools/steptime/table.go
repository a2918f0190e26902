//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
)

// print writes the tables as Markdown.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s, width %d, %d³, batch %d, %s up; %d cores of %s; commit %s, %s\n", r.Model, r.Width, r.Patch, r.Batch, r.Up, r.Threads, r.CPU, r.Commit, r.When.Format("2006-01-02 15:04 UTC"))
	var peaks []string
	for _, p := range r.Peaks {
		peaks = append(peaks, fmt.Sprintf("%.1f GFLOP/s with %d lanes", p.GFlops, p.Lanes))
	}
	fmt.Fprintf(w, "FMA peak of this run: %s\n", strings.Join(peaks, ", "))
	for _, n := range r.Notes {
		fmt.Fprintln(w, n)
	}
	if r.Layers {
		r.printLayers(w)
		return
	}
	fmt.Fprint(w, "\n| pass | who | median s | fastest s | processor s | GFLOP/s | of peak | executed GFLOP/s | of peak | memory | of it at the start | to the fastest peer |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, m := range r.Measured {
		ratio := ""
		if peer := r.fastestPeer(m.What); peer != nil {
			ratio = fmt.Sprintf("%.2f", m.median()/peer.median())
		}
		rate, share := r.rate(m, m.Flops)
		done, of := r.rate(m, m.Done)
		fmt.Fprintf(w, "| %s | %s | %.3f | %.3f | %.3f | %s | %s | %s | %s | %.2f GB | %.2f GB | %s |\n", m.What, m.Who, m.median(), m.least(), median(m.CPU), rate, share, done, of, float64(m.Bytes)/1e9, float64(m.Before)/1e9, ratio)
	}
}

// rate is the rate of arithmetic of flops operations, and its share of the peak.
func (r *report) rate(m measured, flops int64) (rate, share string) {
	if flops == 0 {
		return "", ""
	}
	g := float64(flops) / m.median() / 1e9
	return fmt.Sprintf("%.0f", g), fmt.Sprintf("%.0f %%", 100*g/r.Peaks[len(r.Peaks)-1].GFlops)
}

// printLayers has a row for each layer's pass: this program, with what it executes and with what the layer is by its definition, and the
// fastest of the others.
func (r *report) printLayers(w io.Writer) {
	fmt.Fprint(w, "\n| layer | voxgrad ms | executed GFLOP/s | of peak | as defined | of peak | fastest peer ms | GFLOP/s | of peak | ratio |\n|---|---|---|---|---|---|---|---|---|---|\n")
	var own, others float64
	for _, m := range r.Measured {
		if !m.ours() {
			continue
		}
		own += m.median()
		done, of := r.rate(m, m.Done)
		rate, share := r.rate(m, m.Flops)
		fmt.Fprintf(w, "| %s | %.1f | %s | %s | %s | %s |", m.What, 1e3*m.median(), done, of, rate, share)
		if p := r.fastestPeer(m.What); p != nil {
			others += p.median()
			rate, share = r.rate(*p, p.Flops)
			fmt.Fprintf(w, " %.1f | %s | %s | %.2f |", 1e3*p.median(), rate, share, m.median()/p.median())
		} else {
			fmt.Fprint(w, " | | | |")
		}
		fmt.Fprintln(w)
	}
	if others == 0 {
		fmt.Fprintf(w, "| all | %.1f | | | | | | | | |\n", 1e3*own)
		return
	}
	fmt.Fprintf(w, "| all | %.1f | | | | | %.1f | | | %.2f |\n", 1e3*own, 1e3*others, own/others)
}

func (m measured) ours() bool { return strings.HasPrefix(m.Who, "voxgrad") }

// fastestPeer is the one of the others with the least median, nil if there is none.
func (r *report) fastestPeer(what string) (best *measured) {
	for i, m := range r.Measured {
		if m.What == what && !m.ours() && (best == nil || m.median() < best.median()) {
			best = &r.Measured[i]
		}
	}
	return best
}
