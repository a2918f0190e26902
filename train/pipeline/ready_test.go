package pipeline

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/train/internal/phantomset"
	"voxgrad/volume"
)

// noStep allows no step.
func noStep(t *testing.T) func(Event) {
	return func(e Event) {
		if _, ok := e.(Started); ok {
			t.Fatal("a step began")
		}
	}
}

// refused runs the pipeline and wants an error before anything began.
func refused(t *testing.T, c Config, want ...string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "run")
	p := folder(t, c, out, noStep(t))
	err := p.Run(context.Background())
	for _, w := range want {
		require.ErrorContains(t, err, w)
	}
	require.NoDirExists(t, out)
}

// What the last step reads is looked at before the first one.
func TestMistakesShowBeforeTheFirstStep(t *testing.T) {
	c := tiny()
	c.Data.Test.Root = filepath.Join(data, "single")
	refused(t, c, "data.test: data set "+filepath.Join(data, "single")+" (layout cross-sectional) has 1 image per case; this part of the pipeline takes 2")

	c = tiny()
	c.Data.Single.Root = filepath.Join(data, "pairs")
	refused(t, c, "data.single: ", "has 2 images per case; this part of the pipeline takes 1")

	c = tiny()
	c.Data.Pairs.Root = filepath.Join(data, "nowhere")
	refused(t, c, "data.pairs: data set "+filepath.Join(data, "nowhere"))

	c = tiny()
	c.Data.Pairs.Folds = 4
	refused(t, c, "data.pairs: "+filepath.Join(data, "pairs")+" has 3 patients, too few for 4 folds")

	c = tiny()
	c.Synthesis.Prior = filepath.Join(data, "no.nii.gz")
	refused(t, c, "synthesis.prior: ", c.Synthesis.Prior)

	scan := filepath.Join(data, "single/case0/flair.nii.gz")
	damage := func(change func(*volume.Volume)) string {
		v, err := volume.Read(scan)
		require.NoError(t, err)
		for i := range v.Data {
			v.Data[i] = 1
		}
		change(v)
		file := filepath.Join(t.TempDir(), "map.nii.gz")
		require.NoError(t, volume.Write(file, v, volume.Float32))
		return file
	}
	for want, change := range map[string]func(*volume.Volume){
		"does not overlap with the brain": func(v *volume.Volume) { v.Affine[0][3] += 500 },
		"lies inside the brain":           func(v *volume.Volume) { v.Affine[0][3] += 15 },
		"the value -1":                    func(v *volume.Volume) { v.Data[0] = -1 },
		"is zero everywhere":              func(v *volume.Volume) { clear(v.Data) },
	} {
		c = tiny()
		c.Synthesis.Prior = damage(change)
		refused(t, c, "synthesis.prior", c.Synthesis.Prior, want)
		c.Method.Synthesis = false // then nothing reads it
		require.NoError(t, folder(t, c, t.TempDir(), nil).ready(build(c, []Method{c.Method}, true)))
	}

	_, err := Open(Job{Config: tiny()})
	require.EqualError(t, err, "the folder for the results has no name")
	_, err = OpenAblation(Job{Config: tiny()})
	require.EqualError(t, err, "the folder for the results has no name")
}

func TestDamagedTestDataShowBeforeTheFirstStep(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, phantomset.Write(root, 2))
	c := tiny()
	c.Data.Test.Root = filepath.Join(root, "pairs")

	scan := filepath.Join(root, "pairs/case1/flair_time02_on_middle_space.nii.gz")
	require.FileExists(t, scan)
	whole, err := os.ReadFile(scan)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(scan, whole[:100], 0o666))
	refused(t, c, "data.test: ", "case1: "+scan)

	v, err := volume.Read(filepath.Join(data, "pairs/case0/flair_time02_on_middle_space.nii.gz"))
	require.NoError(t, err)
	v.Affine[0][3] += 5
	require.NoError(t, volume.Write(scan, v, volume.Float32))
	refused(t, c, "data.test: ", "case1: ", "are not in the same space")

	// A step alone looks at what it reads itself.
	p := folder(t, c, t.TempDir(), nil)
	require.NoError(t, p.ready(p.Steps()[:2]))
	require.ErrorContains(t, p.ready(p.Steps()), "data.test")
}

// Maps of white matter too: their headers of every case, one against its brain.
func TestDamagedWhiteMatterShowsBeforeTheFirstStep(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, phantomset.Write(root, 3))
	c := tiny()
	c.Data.Single.Root = filepath.Join(root, "single")
	v, err := volume.Read(filepath.Join(c.Data.Single.Root, "case1/brainmask.nii.gz"))
	require.NoError(t, err)
	first, second := filepath.Join(c.Data.Single.Root, "case1/white_matter.nii.gz"), filepath.Join(c.Data.Single.Root, "case2/white_matter.nii.gz")
	require.NoError(t, volume.Write(first, v, volume.Float32))
	require.NoError(t, folder(t, c, t.TempDir(), nil).ready(build(c, []Method{c.Method}, true)))

	require.NoError(t, os.WriteFile(second, []byte("no image"), 0o666))
	refused(t, c, "data.single: ", "case2: "+second)
	require.NoError(t, os.Remove(second))

	v.Affine[1][3] += 300
	require.NoError(t, volume.Write(first, v, volume.Float32))
	refused(t, c, "case case1: "+first+" does not overlap with the brain")
}

// What is in the folder and is not the pipeline's is never cleared or overwritten.
func TestOtherFilesInTheFolderAreKept(t *testing.T) {
	for _, name := range []string{"pipeline.toml", "predictions/mine.nii.gz", "segmenter/fold_0/checkpoint_best.safetensors", "detector/fold_1/mine"} {
		file := filepath.Join(t.TempDir(), name)
		out := file[:len(file)-len(name)]
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o777))
		require.NoError(t, os.WriteFile(file, []byte("mine"), 0o666))
		p := folder(t, tiny(), out, noStep(t))
		require.ErrorContains(t, p.Run(context.Background()), "no pipeline has made it")
		kept, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, "mine", string(kept))
		require.NoDirExists(t, filepath.Join(out, stepsFolder))

		// With the folder of stamps it is the pipeline's, from a run that was cut off.
		require.NoError(t, os.Mkdir(filepath.Join(out, stepsFolder), 0o777))
		require.NoError(t, p.own())
	}
	out := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(out, "notes.txt"), nil, 0o666))
	require.NoError(t, folder(t, tiny(), out, nil).own())
}

// Test pairs that a stage has seen are told of; with others there is nothing to tell.
func TestSeenTestPairsAreToldOf(t *testing.T) {
	warned := func(c Config) (texts []string) {
		p := folder(t, c, t.TempDir(), func(e Event) { texts = append(texts, e.(Warned).Text) })
		require.NoError(t, p.ready(p.Steps()))
		return texts
	}
	texts := warned(tiny())
	require.Len(t, texts, 1)
	require.Contains(t, texts[0], "3 of 3 test pairs are also trained on (case0 … case2)")

	root := t.TempDir()
	require.NoError(t, phantomset.Write(root, 2))
	c := tiny()
	c.Data.Test.Root = filepath.Join(root, "pairs")
	require.Empty(t, warned(c))

	// One of two, by another name.
	link := filepath.Join(root, "pairs/case1/flair_time01_on_middle_space.nii.gz")
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink(filepath.Join(data, "pairs/case1/flair_time01_on_middle_space.nii.gz"), link))
	require.Contains(t, warned(c)[0], "1 of 2 test pairs are also trained on (case1)")
}
