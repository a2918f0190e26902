package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/lockfile"
)

// An earlier demo is gone on with by the same options alone, and replaced when that is asked for.
func TestDemoFolders(t *testing.T) {
	d := demo{out: t.TempDir(), quick: true, trainPairs: 5, heldOut: 1, seed: 1}
	require.NoError(t, d.prepare())
	require.NoError(t, os.WriteFile(d.path(demoConfig), []byte(d.config()), 0o666))
	for _, name := range []string{demoData, "detector", "mine"} {
		require.NoError(t, os.MkdirAll(d.path(name), 0o777))
	}

	d.resume = true
	require.NoError(t, d.prepare())
	require.DirExists(t, d.path(demoData))
	for _, change := range []func(*demo){func(d *demo) { d.seed = 2 }, func(d *demo) { d.quick = false }, func(d *demo) { d.trainPairs = 6 }, func(d *demo) { d.heldOut = 2 }} {
		other := d
		change(&other)
		require.ErrorContains(t, other.prepare(), "is of a demo with other options")
	}

	d.resume = false
	require.ErrorContains(t, d.prepare(), "holds a demo already")
	require.DirExists(t, d.path(demoData))
	d.overwrite = true
	require.NoError(t, d.prepare())
	require.NoDirExists(t, d.path(demoData))
	require.NoDirExists(t, d.path("detector"))
	require.NoFileExists(t, d.path(demoConfig))
	require.DirExists(t, d.path("mine"))
}

// While something works in a folder a demo leaves it as it is.
func TestDemoWaitsForItsFolder(t *testing.T) {
	d := demo{out: t.TempDir(), quick: true, overwrite: true, device: "cpu"}
	d.defaults()
	require.NoError(t, os.WriteFile(d.path(demoConfig), []byte(d.config()), 0o666))
	lock, err := lockfile.Folder(d.out)
	require.NoError(t, err)
	defer lock.Unlock()
	cmd := New()
	cmd.SetContext(t.Context())
	require.ErrorContains(t, d.run(cmd), fmt.Sprintf("is in use by process %d on ", os.Getpid()))
	require.FileExists(t, d.path(demoConfig))

	d.out = ""
	require.ErrorContains(t, d.run(cmd), "--out is empty")
	out := filepath.Join(t.TempDir(), "demo") // not begun: its configuration could not hold the seed
	require.ErrorContains(t, (&demo{out: out, seed: 1 << 63}).run(cmd), "--seed: 9223372036854775808 is too large")
	require.NoDirExists(t, out)
}

// The demo's --seed is that of the phantoms and of the networks.
func TestDemoSeed(t *testing.T) {
	cmd := New()
	require.NoError(t, cmd.Flags().Set("seed", "5"))
	d := demo{out: t.TempDir(), device: "cpu", seed: 5, quick: true}
	job, closeDevice, err := d.job(cmd)
	require.NoError(t, err)
	defer closeDevice()
	require.EqualValues(t, 5, job.Config.Seed)
}
