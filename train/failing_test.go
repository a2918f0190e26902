package train

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/internal/rng"
	"voxgrad/models"
	"voxgrad/train/sample"
)

// poison is an augmentation that spoils one sample: voxels become v or −v.
func poison(at int, v float32, voxels int) sample.Hook {
	return func(p *sample.Sample, s *rng.Stream) error {
		if p.Index == at {
			for i := range voxels {
				p.Images[0][i] = v
				if s.Bool(0.5) {
					p.Images[0][i] = -v
				}
			}
		}
		return nil
	}
}

func TestNonFiniteNamesStepCaseAndOp(t *testing.T) {
	for _, v := range []struct {
		value   float32
		voxels  int
		augment string
		where   string
	}{
		{float32(math.NaN()), 1, "default", "the input: image 1 of case "},
		{3e38, 4096, "none", "conv at conv1"}, // finite, but sums of its products are not
		{3e38, 4096, "default", "image 1 as it was made of patch 11 (case case"},
	} {
		c := tiny()
		c.Augment = v.augment
		c = c.Resolved()
		if v.augment != "none" {
			c.Augmentation.Bias.P = 1
		}
		folder := t.TempDir()
		dev := cpu.New()
		s, err := Run(context.Background(), Job{Device: dev, Config: c, Folder: folder, Hooks: []sample.Hook{poison(11, v.value, v.voxels)}})
		require.Error(t, err)
		var bad *NotFiniteError
		require.ErrorAs(t, err, &bad)
		require.Equal(t, NotFinite, s.Reason)
		require.Equal(t, 6, bad.Step, "samples 10 and 11")
		require.Len(t, bad.Samples, 2)
		require.Contains(t, bad.Samples[1], "11 (case case")
		require.Equal(t, v.augment != "none", strings.Contains(bad.Samples[1], "image 1 with bias field"), "the recipe")
		require.ErrorContains(t, err, v.where)
		require.ErrorContains(t, err, LastFile)

		// The last good state is that of the epoch before, and it can be gone on from.
		st, err := readLast(filepath.Join(FoldFolder(folder, 0), LastFile))
		require.NoError(t, err)
		require.Equal(t, 4, st.Step)
		require.NoError(t, dev.Close())
		done := run(t, context.Background(), c, folder, true, nil)
		require.Equal(t, AllEpochs, done.Reason)
	}
}

// sick is a device whose convolution gradients go bad after some calls, while the
// loss stays finite.
type sick struct {
	device.ImagingBackend
	left int
}

func (d *sick) ConvGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	d.ImagingBackend.ConvGradW(dw, db, x, dy, win)
	if d.left--; d.left < 0 {
		d.Fill(db.Tensor, float32(math.Inf(1)))
	}
}

func TestBadGradientStopsBeforeTheUpdate(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	c := tiny()
	folder := t.TempDir()
	convs := 2 // of a segmenter that no norm comes before: conv1 and conv_out
	_, err := Run(context.Background(), Job{Device: &sick{dev, 5 * convs}, Config: c, Folder: folder})
	var bad *NotFiniteError
	require.ErrorAs(t, err, &bad)
	require.Equal(t, 6, bad.Step)
	require.Contains(t, bad.Where, "gradient of conv_out.bias in conv at conv_out")
	done := run(t, context.Background(), c, folder, true, nil)
	require.Equal(t, AllEpochs, done.Reason)
	whole := t.TempDir()
	run(t, context.Background(), c, whole, false, nil)
	requireSameFiles(t, files(t, whole), files(t, folder))
}

// gone is a device that is lost after some waits, as a card that falls off its bus.
type gone struct {
	device.ImagingBackend
	left int
}

var errGone = errors.New("the device can no longer be used by this process")

func (d *gone) Sync() error {
	if d.left--; d.left < 0 {
		return errGone
	}
	return d.ImagingBackend.Sync()
}

func TestLostDeviceLeavesTheLastCheckpoint(t *testing.T) {
	c := tiny()
	whole := t.TempDir()
	run(t, context.Background(), c, whole, false, nil)
	dev := cpu.New()
	defer dev.Close()
	kept := map[int]bool{}
	for _, waits := range []int{9, 13, 17} {
		folder := t.TempDir()
		d := &gone{dev, waits}
		_, err := Run(context.Background(), Job{Device: d, Config: c, Folder: folder})
		require.ErrorIs(t, err, errGone)
		require.Equal(t, 1, strings.Count(err.Error(), errGone.Error()), "one error: %v", err)
		require.Negative(t, d.left)
		last := filepath.Join(FoldFolder(folder, 0), LastFile)
		require.ErrorContains(t, err, last, "what to go on from")
		st, err := readLast(last)
		require.NoError(t, err)
		kept[st.Step] = true
		run(t, context.Background(), c, folder, true, nil)
		requireSameFiles(t, files(t, whole), files(t, folder))
	}
	require.Greater(t, len(kept), 1, "lost in different epochs")
}

// A mistake that shows before the first step is over leaves nothing in the way of
// the run that mends it.
func TestRunThatNeverSteppedLeavesTheFolderFree(t *testing.T) {
	folder := t.TempDir()
	c := restorer(models.Inpainter)
	c.Sampler.Patch = [3]int{24, 24, 24}
	dev := cpu.New()
	defer dev.Close()
	_, err := Run(context.Background(), Job{Device: dev, Config: c, Folder: folder})
	require.ErrorContains(t, err, "no usable patch of [24 24 24] voxels")
	require.NoFileExists(t, filepath.Join(FoldFolder(folder, 0), LastFile))

	c = restorer(models.Inpainter)
	require.Equal(t, AllEpochs, run(t, context.Background(), c, folder, false, nil).Reason)
	_, err = Run(context.Background(), Job{Device: dev, Config: c, Folder: folder})
	require.ErrorContains(t, err, "already holds a run")
}
