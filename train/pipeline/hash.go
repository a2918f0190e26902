package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"voxgrad/internal/outfile"
)

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

// hashOf is the hash of named values, whatever their order.
func hashOf(values map[string]string) string {
	keys := make([]string, 0, len(values))
	for k := range values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	sum := sha256.New()
	for _, k := range keys {
		fmt.Fprintf(sum, "%d:%s=%d:%s\n", len(k), k, len(values[k]), values[k])
	}
	return hex.EncodeToString(sum.Sum(nil))
}
