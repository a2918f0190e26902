package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"voxgrad/internal/outfile"
	"voxgrad/internal/text"
	"voxgrad/train/dataset"
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

// current reports why a step has to run, or "" if its stamp holds; clears reports whether it
// would clear results of other inputs, or what something else has made of its own.
func (p *Pipeline) current(s *Step, in *inputs) (why string, clears bool, err error) {
	st, ok := readJSON[Stamp](p.stampFile(s))
	if !ok {
		b, ok := readJSON[begun](p.begunFile(s))
		if !ok {
			return "has not run", false, nil
		}
		if why := changed(b.Inputs, b.Config, in); why != "" {
			return "was begun; " + why, true, nil
		}
		return "was cut off", false, nil
	}
	if why := changed(st.Inputs, st.Config, in); why != "" {
		return why, true, nil
	}
	if len(st.Outputs) == 0 {
		return "its stamp names no results", false, nil
	}
	for _, file := range sortedKeys(st.Outputs) {
		got, err := p.hashes.of(filepath.Join(p.job.Out, file))
		switch {
		case errors.Is(err, os.ErrNotExist):
			return file + " is gone", false, nil
		case err != nil:
			return "", false, err
		case got != st.Outputs[file]:
			return file + " was changed by something else", true, nil
		}
	}
	return "", false, nil
}

// changed reports which of a step's inputs differ from those of an earlier run.
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

// set lists a data set's cases, once. Each must have the given number of images.
func (p *Pipeline) set(name string, s Set, images int) (*dataset.Set, error) {
	if d := p.sets[name]; d != nil {
		return d, nil
	}
	d, err := dataset.Open(s.Root, s.Options)
	if err == nil {
		err = d.Need(images, "this part of the pipeline")
	}
	if err != nil {
		return nil, fmt.Errorf("data.%s: %w", name, err)
	}
	d.Warn()
	p.sets[name] = d
	return d, nil
}

// Names of the data sets in the configuration.
const (
	singleSet = "single"
	pairsSet  = "pairs"
	testSet   = "test"
)

func (p *Pipeline) single() (*dataset.Set, error) {
	return p.set(singleSet, p.job.Config.Data.Single, 1)
}

func (p *Pipeline) pairs() (*dataset.Set, error) {
	return p.set(pairsSet, p.job.Config.Data.Pairs, 2)
}

// test is the pairs to score.
func (p *Pipeline) test() (*dataset.Set, error) {
	d, err := p.set(testSet, p.job.Config.Data.Test, 2)
	if err != nil {
		return nil, err
	}
	for _, c := range d.Cases {
		if strings.ContainsAny(c.ID, `/\`) {
			return nil, fmt.Errorf("data.test: case %q cannot name a file", text.Clean(c.ID))
		}
	}
	return d, nil
}

// add hashes a file as an input. It must exist.
func (in *inputs) add(p *Pipeline, name, path string) error {
	h, err := p.hashes.of(path)
	if err == nil {
		in.hashes[name] = h
	}
	return err
}

// weights hashes the weights that a training step left; nothing where s is nil.
func (in *inputs) weights(p *Pipeline, name string, s *Step) error {
	if s == nil {
		return nil
	}
	return in.add(p, name, p.best(s))
}

// data hashes the cases of a data set.
func (in *inputs) data(p *Pipeline, name string, d *dataset.Set, what int) error {
	h, err := d.Hash(what, p.hashes.of)
	in.hashes["data "+name] = h
	return err
}

// settled is how old a file's last change must be for its hash to be kept: a file
// may change twice within one tick of its time stamp.
const settled = 2 * time.Second

// hashes computes SHA-256 of files and remembers them by path, size and times of
// the last change, in a file of its own that may be lost without harm. The time that
// programs can set is not enough: archives give all their files one and the same.
type hashes struct {
	file    string
	settled time.Duration

	mu    sync.Mutex
	known map[string]hashed
	added map[string]hashed
}

type hashed struct {
	Size int64  `json:"size"`
	Time int64  `json:"mtime_ns"`
	Set  int64  `json:"ctime_ns"` // by the system at each change; 0 where it does not tell
	Hash string `json:"sha256"`
}

func openHashes(file string) *hashes {
	h := &hashes{file: file, settled: settled, known: map[string]hashed{}, added: map[string]hashed{}}
	h.merge()
	return h
}

// merge takes over what the file holds. A file that cannot be read is none.
func (h *hashes) merge() {
	b, err := os.ReadFile(h.file)
	if err != nil {
		return
	}
	var m map[string]hashed
	if json.Unmarshal(b, &m) != nil {
		return
	}
	for path, e := range m {
		if _, ok := h.added[path]; !ok {
			h.known[path] = e
		}
	}
}

// of is the hash of a file's bytes.
func (h *hashes) of(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(abs)
	if err != nil {
		return "", err
	}
	now := hashed{Size: info.Size(), Time: info.ModTime().UnixNano(), Set: changeTime(info)}
	h.mu.Lock()
	e, ok := h.known[abs]
	h.mu.Unlock()
	if now.Hash = e.Hash; ok && e == now {
		return e.Hash, nil
	}
	f, err := os.Open(abs)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	now.Hash = hex.EncodeToString(sum.Sum(nil))
	if time.Since(time.Unix(0, max(now.Time, now.Set))) > h.settled {
		h.mu.Lock()
		h.known[abs], h.added[abs] = now, now
		h.mu.Unlock()
	}
	return now.Hash, nil
}

// save adds what is new to the file, together with what other processes added.
// Where the folder is not there, as after a mere plan, or cannot be written, nothing
// is kept: that costs time and no result.
func (h *hashes) save() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, err := os.Stat(filepath.Dir(h.file)); err != nil || len(h.added) == 0 {
		return
	}
	h.merge()
	if b, err := json.MarshalIndent(h.known, "", " "); err == nil && outfile.WriteBytes(h.file, b) == nil {
		h.added = map[string]hashed{}
	}
}
