package weights

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/models"
)

func TestBuiltInNetworksOpen(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	total := 0
	for _, name := range Names() {
		require.NotEmpty(t, Cards[name].For, name)
		all, err := Members(name)
		require.NoError(t, err)
		kind := models.Segmenter
		if name == Detector {
			kind = models.Detector
		}
		for _, n := range all {
			require.Len(t, n.SHA256, 64)
			require.True(t, strings.HasPrefix(n.File.Path, "builtin:"+name))
			total += n.Bytes
			for _, x := range n.File.Tensors {
				require.Equal(t, "F16", x.Type, "%s of %s", x.Name, name)
				require.False(t, models.IsState(x.Name))
			}
		}
		nets, names, err := Load(dev, Prefix+name, kind)
		require.NoError(t, err)
		require.Len(t, names, len(all))
		for _, n := range nets {
			n.Free()
		}
	}
	require.Less(t, total, 12<<20, "all of them together")
	now, _ := dev.Usage()
	require.Zero(t, now)
}

// What 'voxgrad weights list' says of a network is in docs/models.md word by word, beside the hashes of the very files: new
// files need new figures. Those of detectors and segmenters are in the results too.
func TestCardsAreThoseOfTheFilesAtHand(t *testing.T) {
	text := func(path string) string {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(b)
	}
	models, results := text("../docs/models.md"), text("../docs/results/builtin.md")
	figure := regexp.MustCompile(`\d+\.\d+`)
	for _, name := range Names() {
		_, section, ok := strings.Cut(models, "\n## "+name+": ")
		require.True(t, ok, "docs/models.md has no section on %s", name)
		section, _, _ = strings.Cut(section, "\n## ")
		c := Cards[name]
		for _, words := range []string{c.For, c.TrainedOn, c.Scores} {
			require.NotEmpty(t, words, "the card of %s in cards.go", name)
			require.Contains(t, section, words, "docs/models.md on %s does not say what its card in cards.go does", name)
		}
		all, err := Members(name)
		require.NoError(t, err)
		for _, n := range all {
			require.Contains(t, section, "`"+n.SHA256[:12]+"…`", "docs/models.md does not know this file of %s: its figures, and those of cards.go, may be another one's; score it and write down both", name)
		}
		tables := strings.Replace(section, c.Scores, "", 1)
		if name != Brain {
			tables = results
		}
		for _, f := range figure.FindAllString(c.Scores, -1) {
			require.Contains(t, tables, f, "%s in the card of %s is in no table", f, name)
		}
	}
}

func TestBrainIsASegmenterOfItsSpacing(t *testing.T) {
	all, err := Members(Brain)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.LessOrEqual(t, all[0].Bytes, 2<<20)
	p, err := models.PreparationOf(all[0].File)
	require.NoError(t, err)
	require.Equal(t, 2.5, p.Spacing)
}

// put has the program built with tiny networks: a segmenter, and an ensemble of three detectors.
func put(t *testing.T) *cpu.Backend {
	dev := cpu.New()
	folder := fstest.MapFS{"README.md": {}}
	for n, file := range []string{"segmenter", "detector.1", "detector.2", "detector.10"} {
		kind, _, _ := strings.Cut(file, ".")
		c := models.Default(kind)
		c.Width = 1
		net, err := models.New(dev, c, uint64(n))
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "w.safetensors")
		require.NoError(t, models.Save(net, path, nil))
		net.Free()
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		folder[file+ending] = &fstest.MapFile{Data: b}
	}
	was := Files
	Files = folder
	t.Cleanup(func() {
		Files = was
		now, _ := dev.Usage()
		require.Zero(t, now)
		require.NoError(t, dev.Close())
	})
	return dev
}

func TestEnsemblesAreFilesOfOneName(t *testing.T) {
	dev := put(t)
	require.Equal(t, []string{"detector", "segmenter"}, Names())
	nets, names, err := Load(dev, "builtin:detector", models.Detector)
	require.NoError(t, err)
	require.Equal(t, []string{"builtin:detector.1", "builtin:detector.10", "builtin:detector.2"}, names)
	for _, n := range nets {
		n.Free()
	}
	nets, names, err = Load(dev, "builtin:detector.10", models.Detector) // a member alone
	require.NoError(t, err)
	require.Equal(t, []string{"builtin:detector.10"}, names)
	nets[0].Free()
	_, _, err = Load(dev, "builtin:detector.3", models.Detector)
	require.ErrorContains(t, err, `there is no built-in network "detector.3"`)
	_, _, err = Load(dev, "builtin:detector", models.Segmenter)
	require.ErrorContains(t, err, "builtin:detector.1 holds a detector; a segmenter is needed here")
	_, _, err = Load(dev, filepath.Join(t.TempDir(), "mine.safetensors"))
	require.ErrorContains(t, err, "mine.safetensors")
}

func TestMissingNetworksAreNamed(t *testing.T) {
	put(t)
	_, err := Members("detektor")
	require.ErrorContains(t, err, `there is no built-in network "detektor"; this program has: detector, segmenter`)
	require.ErrorContains(t, err, "did you mean detector")
	_, err = Members(Brain)
	require.ErrorContains(t, err, `built without the weights "brain" (it has: detector, segmenter)`)
	require.ErrorContains(t, err, "weights/files/brain.safetensors")
	Files = fstest.MapFS{}
	_, err = Members(Brain)
	require.ErrorContains(t, err, "(it has: none)")
	require.Empty(t, Names())
}
