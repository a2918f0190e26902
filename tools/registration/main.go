// Command registration measures package prepare's registration of time points on real scans:
// known motions, published transforms, exchanged roles and scans of different heads. With
// -export it writes the pairs and their truth for simpleitk.py beside it, which registers the
// same ones.
//
//	registration -data ../shared/data -what draws -n 100
//	registration -data ../shared/data -what published
//	registration -data ../shared/data -what heads
//	registration -data ../shared/data -what atlas
//	registration -data ../shared/data -what draws -n 20 -export pairs/
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"voxgrad/prepare"
	"voxgrad/volume"
)

func main() {
	log.SetFlags(0)
	data := flag.String("data", "../shared/data", "folder of the scans")
	what := flag.String("what", "draws", "draws, published, heads or atlas")
	n := flag.Int("n", 100, "how many draws")
	seed := flag.Uint64("seed", 1, "seed of the draws")
	exchange := flag.Bool("exchange", true, "register each pair the other way round too")
	export := flag.String("export", "", "folder to write the pairs to, instead of registering them")
	flag.Parse()
	if err := run(*data, *what, *n, *seed, *export, *exchange); err != nil {
		log.Fatal(err)
	}
}

func run(data, what string, n int, seed uint64, export string, exchange bool) error {
	scans, err := published(data)
	if err != nil {
		return err
	}
	if what == "heads" || what == "atlas" {
		more, err := others(data)
		if err != nil {
			return err
		}
		if what == "atlas" {
			return toAtlas(append(scans, more...))
		}
		return heads(append(scans, more...))
	}
	each := func(f func(pair) error) error {
		switch what {
		case "draws":
			for d := range n {
				p := visits(scans[0], scans[1], seed, d)
				if d%2 == 1 {
					p = rescan(scans[d/2%len(scans)], seed, d)
				}
				if err := f(p); err != nil {
					return err
				}
			}
			return nil
		case "published":
			one, two := scans[0], scans[1]
			if err := f(pair{name: "patient01 study1 to study2", a: one.scan, b: two.scan, truth: two.space.Mul(one.space.Inverse()), brain: one.brain, voxel: voxelEdge(one.scan, two.scan)}); err != nil {
				return err
			}
			for _, s := range scans {
				if err := f(common(s)); err != nil {
					return err
				}
			}
			return nil
		}
		return fmt.Errorf("-what %s: want draws, published or heads", what)
	}
	if export != "" {
		return each(func(p pair) error { return write(export, p) })
	}
	return measure(each, exchange)
}

// errors of a motion against the truth, over the brain: mean and largest, mm.
func errors(m, truth volume.Transform, brain [][3]float64) (mean, most float64) {
	for _, p := range brain {
		q, r := m.Apply(p), truth.Apply(p)
		e := math.Sqrt((q[0]-r[0])*(q[0]-r[0]) + (q[1]-r[1])*(q[1]-r[1]) + (q[2]-r[2])*(q[2]-r[2]))
		mean += e / float64(len(brain))
		most = max(most, e)
	}
	return mean, most
}

func measure(each func(func(pair) error) error, exchange bool) error {
	var all, voxels, cpu []float64
	good := 0
	fmt.Printf("%-36s %8s %8s %8s %8s %6s %6s %8s %6s\n", "pair", "start mm", "mean mm", "most mm", "voxels", "corr", "over", "exch mm", "cpu s")
	err := each(func(p pair) error {
		before := spent()
		r, err := prepare.Register(p.a, p.b, nil, nil)
		if err != nil {
			return err
		}
		used := spent() - before
		exchanged := math.NaN()
		if exchange {
			back, err := prepare.Register(p.b, p.a, nil, nil)
			if err != nil {
				return err
			}
			exchanged, _ = errors(back.Between().Inverse(), r.Between(), p.brain)
		}
		start, _ := errors(volume.Identity, p.truth, p.brain)
		mean, most := errors(r.Between(), p.truth, p.brain)
		fmt.Printf("%-36s %8.1f %8.3f %8.3f %8.3f %6.3f %6.2f %8.4f %6.1f\n", p.name, start, mean, most, mean/p.voxel, r.Correlation, r.Overlap, exchanged, used.Seconds())
		all, voxels, cpu = append(all, mean), append(voxels, mean/p.voxel), append(cpu, used.Seconds())
		if mean <= 0.3*p.voxel {
			good++
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Printf("%d of %d within 0.3 voxel; mean error: median %.3f, largest %.3f mm; %.3f and %.3f voxel; processor time: median %.1f s\n",
		good, len(all), median(all), slices.Max(all), median(voxels), slices.Max(voxels), median(cpu))
	return nil
}

func median(x []float64) float64 {
	s := slices.Clone(x)
	slices.Sort(s)
	return s[len(s)/2]
}

// spent is the processor time of this process so far.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// heads registers scans of different heads to one another: what the measure is where nothing
// can match.
func heads(list []subject) error {
	for n, a := range list {
		for _, b := range list[n+1:] {
			r, err := prepare.Register(a.scan, b.scan, nil, nil)
			if err != nil {
				return err
			}
			fmt.Printf("%-20s %-20s correlation %.3f overlap %.2f\n", a.name, b.name, r.Correlation, r.Overlap)
		}
	}
	return nil
}

// toAtlas registers every head to the atlas, with its brain mask and without: how well heads
// match it, and how far apart the two transforms are over the brain.
func toAtlas(list []subject) error {
	for _, s := range list {
		before := spent()
		whole, err := prepare.RegisterAtlas(s.scan, nil)
		if err != nil {
			return err
		}
		used := spent() - before
		fmt.Printf("%-20s head: correlation %.3f overlap %.2f volumes x %.2f, %.1f s", s.name, whole.Correlation, whole.Overlap, 1/whole.ToScan.Det(), used.Seconds())
		if s.mask != nil {
			brain := s.mask.ResampleThrough(s.scan.Grid, s.space.Inverse())
			r, err := prepare.RegisterAtlas(s.scan, brain)
			if err != nil {
				return err
			}
			mean, most := errors(whole.ToScan.Inverse(), r.ToScan.Inverse(), s.brain)
			fmt.Printf("; brain: correlation %.3f overlap %.2f volumes x %.2f; %.1f mm apart, at most %.1f", r.Correlation, r.Overlap, 1/r.ToScan.Det(), mean, most)
		}
		fmt.Println()
	}
	return nil
}

// write puts a pair where simpleitk.py reads it.
func write(dir string, p pair) error {
	folder := filepath.Join(dir, p.name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, v := range map[string]*volume.Volume{"a.nii.gz": p.a, "b.nii.gz": p.b} {
		if err := volume.Write(filepath.Join(folder, name), v, volume.Float32); err != nil {
			return err
		}
	}
	b, err := json.Marshal(map[string]any{"truth": p.truth, "brain": p.brain, "voxel": p.voxel})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "truth.json"), b, 0o600)
}
