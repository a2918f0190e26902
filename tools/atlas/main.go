// Atlas makes the embedded atlas of package prepare/atlas: for each tissue, how likely
// it is at a place of a head of usual size and orientation. It averages anatomical label
// maps, each brought by an affine transform to the reference. Run it from the project's
// root, with the folders that hold the maps and the reference:
//
//	go run ./tools/atlas --heads DIR --brains DIR --grey GM.nii.gz --white WM.nii.gz
//
// Heads are whole, brains have no label outside the brain; both have FreeSurfer's
// numbers. The reference is a pair of likelihoods of grey and white matter, of which only
// place, size and orientation are taken. The same maps make the same bytes.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"path/filepath"

	"github.com/klauspost/compress/gzip"

	"voxgrad/internal/outfile"
	"voxgrad/prepare/atlas"
	"voxgrad/volume"
)

func main() {
	log.SetFlags(0)
	heads := flag.String("heads", "", "folder of label maps of whole heads")
	brains := flag.String("brains", "", "folder of label maps of brains")
	grey := flag.String("grey", "", "likelihood of grey matter that the maps are aligned to")
	white := flag.String("white", "", "likelihood of white matter that the maps are aligned to")
	out := flag.String("out", "prepare/atlas", "folder to write to")
	flag.Parse()
	if err := run(*heads, *brains, *grey, *white, *out); err != nil {
		log.Fatal(err)
	}
}

func run(heads, brains, grey, white, out string) error {
	ref, err := readReference(grey, white)
	if err != nil {
		return err
	}
	sum := newAverage(ref.grid)
	for _, from := range []struct {
		dir   string
		whole bool
	}{{heads, true}, {brains, false}} {
		files, err := filepath.Glob(filepath.Join(from.dir, "*.nii.gz"))
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("%s: no *.nii.gz there", from.dir)
		}
		for _, f := range files {
			labels, err := volume.Read(f)
			if err != nil {
				return err
			}
			m, err := readMap(labels)
			if err != nil {
				return err
			}
			t, left, err := ref.align(m)
			if err != nil {
				return fmt.Errorf("%s: %w", f, err)
			}
			log.Printf("%s: residual %.4f, volume × %.3f", filepath.Base(f), left, 1/t.Det())
			sum.add(m, t, from.whole)
		}
	}
	var set outfile.Set
	defer set.Discard()
	for tissue, v := range sum.likelihoods() {
		err := set.Write(filepath.Join(out, atlas.Tissue(tissue).File()), func(w io.Writer) error { return encode(w, v) })
		if err != nil {
			return err
		}
	}
	return set.Commit()
}

// encode writes v as small as gzip can.
func encode(w io.Writer, v *volume.Volume) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := volume.Encode(z, v, volume.Uint8); err != nil {
		return err
	}
	return z.Close()
}
