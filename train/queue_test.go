package train

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/train/sample"
)

// waiting is a device that counts the calls for which the host waits.
type waiting struct {
	device.ImagingBackend
	calls int
}

func (w *waiting) Download(dst []float32, t device.Tensor) {
	w.calls++
	w.ImagingBackend.Download(dst, t)
}

func (w *waiting) Fetch(ts ...device.Tensor) device.Fetched { return device.FetchNow(w, ts) }

func (w *waiting) Sync() error {
	w.calls++
	return w.ImagingBackend.Sync()
}

// Augmentation, corruption and synthesis of a batch are queued behind the step
// before: the host waits for nothing.
func TestUploadWaitsForNothing(t *testing.T) {
	for _, c := range []Config{tiny(), pairs(), madePairs(), restorer("inpainter"), restorer("generator")} {
		c.Augment = "default"
		dev := &waiting{ImagingBackend: cpu.New()}
		tr, err := newTrainer(c, dev, nil)
		require.NoError(t, err)
		require.NoError(t, tr.openData(context.Background(), nil))
		require.NoError(t, tr.openNet(false))
		require.NoError(t, tr.openTask())
		full, plain, err := tr.blank() // every transform, both networks
		require.NoError(t, err)
		drawn, err := sample.DrawBatch(tr.train, 0, 4)
		require.NoError(t, err)
		dev.calls = 0
		for _, b := range []*sample.Batch{blankBatch(full, plain, 2), drawn} {
			tr.task.upload(b).free(tr.dev)
		}
		require.Zero(t, dev.calls, c.Task)
		_, err = tr.step(drawn)
		require.NoError(t, err)
		require.NotZero(t, dev.calls, "a step reads its loss")
		require.NoError(t, tr.close())
		require.NoError(t, dev.Close())
	}
}
