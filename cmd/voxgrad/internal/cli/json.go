package cli

import (
	"encoding/json"
	"io"

	"voxgrad/internal/outfile"
)

// WriteJSON writes v indented, as one of a set of files or, for nil, alone.
func WriteJSON(set *outfile.Set, path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return set.Write(path, func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	})
}

// PrintJSON prints v indented on standard output.
func PrintJSON(v any) error {
	e := json.NewEncoder(Out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
