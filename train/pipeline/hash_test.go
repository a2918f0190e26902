package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"voxgrad/train/dataset"
)

func TestHashesAreOfTheContent(t *testing.T) {
	dir := t.TempDir()
	cache, file := filepath.Join(dir, "hashes.json"), filepath.Join(dir, "file")
	write := func(text string, age time.Duration) string {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o666))
		when := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(file, when, when))
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	of := func(h *hashes) string {
		got, err := h.of(file)
		require.NoError(t, err)
		return got
	}
	want := write("one", time.Hour)
	h := openHashes(cache)
	h.settled = 0
	require.Equal(t, want, of(h))
	h.save()

	// Another process takes it from the cache and does not read the file.
	known := openHashes(cache)
	for path, e := range known.known {
		e.Hash = "remembered"
		known.known[path] = e
	}
	require.Equal(t, "remembered", of(known))

	// Other bytes of the same length, with the old time of modification set again.
	info, err := os.Stat(file)
	require.NoError(t, err)
	want = write("two", 0)
	require.NoError(t, os.Chtimes(file, info.ModTime(), info.ModTime()))
	if changeTime(info) != 0 {
		require.Equal(t, want, of(openHashes(cache)))
	}

	// A file that has just been written may change again within its time stamp: its
	// hash is not kept.
	want = write("abc", 0)
	h = openHashes(cache)
	require.Equal(t, want, of(h))
	h.save()
	now, err := os.Stat(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte("xyz"), 0o666))
	require.NoError(t, os.Chtimes(file, now.ModTime(), now.ModTime()))
	require.NotEqual(t, want, of(openHashes(cache)))

	// Two processes keep each other's entries, and a broken cache is an empty one.
	want = write("old again", time.Hour)
	a, b := openHashes(cache), openHashes(cache)
	a.settled, b.settled = 0, 0
	other := filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(other, []byte("o"), 0o666))
	long := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(other, long, long))
	require.Equal(t, want, of(a))
	_, err = b.of(other)
	require.NoError(t, err)
	a.save()
	b.save()
	require.Len(t, openHashes(cache).known, 2)
	require.NoError(t, os.WriteFile(cache, []byte("{"), 0o666))
	require.Empty(t, openHashes(cache).known)
	require.Equal(t, want, of(openHashes(cache)))

	_, err = h.of(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestHashOfNamesAndValues(t *testing.T) {
	a := dataset.HashValues(map[string]string{"a": "1", "b": "2"})
	require.Equal(t, a, dataset.HashValues(map[string]string{"b": "2", "a": "1"}))
	for _, m := range []map[string]string{{"a": "1"}, {"a": "2", "b": "1"}, {"a": "1", "b": "2", "c": ""}, {"a": "1\n1:b=1:2"}, {"a1": "", "b": "2"}} {
		require.NotEqual(t, a, dataset.HashValues(m))
	}
}
