package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"voxgrad/internal/outfile"
)

// Stamp is what a finished step leaves behind, written last: what it read and what
// it made, by content, and how it went.
type Stamp struct {
	Step    string            `json:"step"`
	Inputs  map[string]string `json:"inputs"`  // name to hash
	Config  map[string]string `json:"config"`  // every setting that the result depends on
	Outputs map[string]string `json:"outputs"` // file to hash

	Version  string    `json:"program"`
	Device   string    `json:"device"`
	Finished time.Time `json:"finished"`
	Seconds  float64   `json:"seconds"` // of the session that finished it
	Steps    int       `json:"steps,omitempty"`
	Session  int       `json:"session_steps,omitempty"` // steps of that session
}

// begun is what a step leaves behind as soon as it starts: a step that was cut off
// goes on from its files if they belong to the same inputs.
type begun struct {
	Inputs map[string]string `json:"inputs"`
	Config map[string]string `json:"config"`
}

// stepsFolder holds stamps, marks, locks and the hash cache.
const stepsFolder = "steps"

func (p *Pipeline) stepFile(s *Step, ending string) string {
	return filepath.Join(p.job.Out, stepsFolder, strings.ReplaceAll(s.Name, "/", ".")+ending)
}

func (p *Pipeline) stampFile(s *Step) string { return p.stepFile(s, ".json") }
func (p *Pipeline) begunFile(s *Step) string { return p.stepFile(s, ".begun.json") }
func (p *Pipeline) lockFile(s *Step) string  { return p.stepFile(s, ".lock") }

// readJSON reads a stamp or a mark; false if there is none that can be read, which
// only costs the work of the step again.
func readJSON[T any](path string) (v T, ok bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return v, false
	}
	return v, json.Unmarshal(b, &v) == nil
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return outfile.WriteBytes(path, append(b, '\n'))
}

// current says why a step has to run, or "" if its stamp holds.
func (p *Pipeline) current(s *Step, in *inputs) (why string, stamp *Stamp, err error) {
	st, ok := readJSON[Stamp](p.stampFile(s))
	if !ok {
		if b, ok := readJSON[begun](p.begunFile(s)); ok && changed(b.Inputs, b.Config, in) == "" {
			return "was cut off", nil, nil
		}
		return "has not run", nil, nil
	}
	if why := changed(st.Inputs, st.Config, in); why != "" {
		return why, &st, nil
	}
	for _, file := range sortedKeys(st.Outputs) {
		got, err := p.hashes.of(filepath.Join(p.job.Out, file))
		switch {
		case errors.Is(err, os.ErrNotExist):
			return file + " is gone", &st, nil
		case err != nil:
			return "", nil, err
		case got != st.Outputs[file]:
			return file + " was changed by something else", &st, nil
		}
	}
	return "", &st, nil
}

// changed says which of a step's inputs differ from those of an earlier run.
func changed(was, config map[string]string, in *inputs) string {
	var names []string
	for _, k := range sortedKeys(was, in.hashes) {
		if was[k] != in.hashes[k] {
			names = append(names, k)
		}
	}
	for _, k := range sortedKeys(config, in.config) {
		if a, b := config[k], in.config[k]; a != b {
			names = append(names, fmt.Sprintf("%s was %s, is %s", k, orNone(a), orNone(b)))
		}
	}
	if len(names) == 0 {
		return ""
	}
	const most = 3
	if n := len(names); n > most {
		names = append(names[:most], fmt.Sprintf("%d more", n-most))
	}
	return "changed: " + strings.Join(names, "; ")
}

func orNone(s string) string {
	if s == "" {
		return "not there"
	}
	return s
}

func sortedKeys(maps ...map[string]string) []string {
	var keys []string
	for _, m := range maps {
		for k := range m {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
