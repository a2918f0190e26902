// Package weights holds the networks that come with the program, in half precision: those that a user need not train.
// Each file in files/ is made again by one command of tools/weights; docs/models.md describes them.
package weights

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"voxgrad/device"
	"voxgrad/internal/text"
	"voxgrad/models"
	"voxgrad/models/weights"
)

// The names of the built-in networks.
const (
	Brain     = "brain"     // finds the brain in a scan of a head
	Segmenter = "segmenter" // finds all lesions of a scan
	Detector  = "detector"  // finds the lesions that are new between two scans
)

// Card is what a built-in network is for and where it comes from, in a few words; docs/models.md says more.
type Card struct{ For, TrainedOn, Scores string }

//go:embed files
var files embed.FS

// Files is where the networks are: NAME.safetensors, or NAME.1.safetensors, NAME.2.safetensors, … for the
// members of an ensemble. Tests put others in place of those that the program was built with.
var Files fs.FS = mustSub(files, "files")

func mustSub(f fs.FS, dir string) fs.FS {
	sub, err := fs.Sub(f, dir)
	if err != nil {
		panic(err)
	}
	return sub
}

const ending = ".safetensors"

// Prefix begins the name of a built-in network where a weights file is asked for too.
const Prefix = "builtin:"

// Network is a built-in network, or a member of a built-in ensemble.
type Network struct {
	Name   string // of the network or ensemble
	Bytes  int
	SHA256 string
	File   *weights.File // its path is how the network is called: builtin:NAME, or builtin:NAME.1
}

var member = regexp.MustCompile(`^(.*)\.[0-9]+$`)

// ensemble is the name of the network that a file belongs to; none if it is no weights file.
func ensemble(file string) (name string, ok bool) {
	if name, ok = strings.CutSuffix(file, ending); !ok {
		return "", false
	}
	if m := member.FindStringSubmatch(name); m != nil {
		name = m[1]
	}
	return name, true
}

// listed is the names of all files, in order.
func listed() (out []string) {
	entries, err := fs.ReadDir(Files, ".")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// Names lists the networks that this program was built with.
func Names() (out []string) {
	for _, file := range listed() {
		if name, ok := ensemble(file); ok && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// Members are the built-in network of that name: one, or all of an ensemble; NAME.1 is the first of its members alone. A name that
// is not there is an error that lists those that are.
func Members(name string) ([]*Network, error) {
	var out []*Network
	for _, file := range listed() {
		if of, ok := ensemble(file); !ok || of != name && file != name+ending {
			continue
		}
		b, err := fs.ReadFile(Files, path.Clean(file))
		if err != nil {
			return nil, err
		}
		f, err := weights.Decode(b)
		if err != nil {
			return nil, fmt.Errorf("built-in weights %s: %w", name, err)
		}
		f.Path = Prefix + strings.TrimSuffix(file, ending)
		sum := sha256.Sum256(b)
		out = append(out, &Network{Name: name, Bytes: len(b), SHA256: hex.EncodeToString(sum[:]), File: f})
	}
	if out != nil {
		return out, nil
	}
	have := "none"
	if len(Names()) > 0 {
		have = strings.Join(Names(), ", ")
	}
	if _, known := Cards[name]; !known {
		return nil, fmt.Errorf("there is no built-in network %q; this program has: %s%s", name, have, text.DidYouMean(name, Names()))
	}
	return nil, fmt.Errorf("this program was built without the weights %q (it has: %s): they belong into weights/files/%s%s of its source and are made by tools/weights/%s.sh",
		name, have, name, ending, name)
}

// Open builds the built-in network of that name, the first of an ensemble, on a device.
func Open(dev device.Backend, name string) (*models.Net, error) {
	n, err := Members(name)
	if err != nil {
		return nil, err
	}
	return models.FromFile(dev, n[0].File)
}

// Load builds the network of a weights file, or with Prefix the built-in network of a name, which may be an ensemble. Names are
// those of the files. kinds are those of models.Load.
func Load(dev device.Backend, ref string, kinds ...string) (nets []*models.Net, names []string, err error) {
	name, builtin := strings.CutPrefix(ref, Prefix)
	if !builtin {
		n, err := models.Load(dev, ref, kinds...)
		return []*models.Net{n}, []string{ref}, err
	}
	all, err := Members(name)
	if err != nil {
		return nil, nil, err
	}
	for _, m := range all {
		n, err := models.FromFile(dev, m.File, kinds...)
		if err != nil {
			for _, n := range nets {
				n.Free()
			}
			return nil, nil, err
		}
		nets, names = append(nets, n), append(names, m.File.Path)
	}
	return nets, names, nil
}
