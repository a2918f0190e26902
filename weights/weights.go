// Package weights holds the networks that come with the program, in half precision: those that a user need not train.
// Each file in files/ is made again by one command of tools/weights; docs/models.md describes them.
package weights

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"voxgrad/device"
	"voxgrad/internal/text"
	"voxgrad/models"
	"voxgrad/models/weights"
)

// Brain is the name of the network that finds the brain in a scan of a head.
const Brain = "brain"

// Purpose is what each is for, in a few words.
var Purpose = map[string]string{Brain: "the brain in a scan with skull"}

//go:embed files
var files embed.FS

const (
	folder = "files"
	ending = ".safetensors"
)

// Network is a built-in network.
type Network struct {
	Name   string
	Bytes  int
	SHA256 string
	File   *weights.File
}

// Names lists the networks that this program was built with.
func Names() []string {
	entries, err := files.ReadDir(folder)
	if err != nil {
		panic(err) // the folder is part of the program
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ending); ok {
			out = append(out, name)
		}
	}
	return out
}

// Get is the built-in network of that name.
func Get(name string) (*Network, error) {
	if !slices.Contains(Names(), name) {
		have := "none"
		if len(Names()) > 0 {
			have = strings.Join(Names(), ", ")
		}
		return nil, fmt.Errorf("this program was built without the weights %q (it has %s): they belong into weights/%s/%s%s of its source and are made by tools/weights/%s.sh%s",
			name, have, folder, name, ending, name, text.DidYouMean(name, Names()))
	}
	b, err := files.ReadFile(path.Join(folder, name+ending))
	if err != nil {
		return nil, err
	}
	f, err := weights.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("built-in weights %s: %w", name, err)
	}
	f.Path = "builtin:" + name
	sum := sha256.Sum256(b)
	return &Network{Name: name, Bytes: len(b), SHA256: hex.EncodeToString(sum[:]), File: f}, nil
}

// Open builds the built-in network of that name on a device.
func Open(dev device.Backend, name string) (*models.Net, error) {
	n, err := Get(name)
	if err != nil {
		return nil, err
	}
	return models.FromFile(dev, n.File)
}
