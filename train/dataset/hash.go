package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
)

// What of a case a hash is of.
const (
	Images = 1 << iota // and the brain mask
	Masks
	Maps
)

// Hash is the SHA-256 of the cases' names, patients and files by content, wherever they
// lie. HashFile returns that of a file in hexadecimal.
func (s *Set) Hash(what int, hashFile func(path string) (string, error)) (string, error) {
	all := map[string]string{}
	for _, c := range s.Cases {
		all[c.ID+"/patient"] = c.Patient
		files := map[string]string{}
		if what&Images != 0 {
			for t, f := range c.Times {
				files[fmt.Sprintf("time %d", t+1)] = f
			}
			if c.Brain != "" {
				files["brain"] = c.Brain
			}
		}
		if what&Masks != 0 {
			all[c.ID+"/merge"] = string(c.Merge)
			for n, f := range c.Masks {
				files[fmt.Sprintf("mask %d", n+1)] = f
			}
		}
		if what&Maps != 0 && c.WhiteMatter != "" {
			files["white matter"] = c.WhiteMatter
		}
		for role, f := range files {
			h, err := hashFile(f)
			if err != nil {
				return "", fmt.Errorf("case %s: %w", c.ID, err)
			}
			// The ending says how a file is read.
			all[c.ID+"/"+role] = h + filepath.Ext(f)
		}
	}
	return HashValues(all), nil
}

// HashValues is the SHA-256 of named values, whatever their order.
func HashValues(values map[string]string) string {
	sum := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(sum, "%d:%s=%d:%s\n", len(k), k, len(values[k]), values[k])
	}
	return hex.EncodeToString(sum.Sum(nil))
}
