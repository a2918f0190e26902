package ref_test

import (
	"testing"

	"voxgrad/device"
	"voxgrad/device/devicetest"
	"voxgrad/device/ref"
)

func TestTable(t *testing.T) {
	t.Run("float32", func(t *testing.T) {
		devicetest.Run(t, func(testing.TB) device.Backend { return ref.New[float32]() }, devicetest.Options{})
	})
	t.Run("float64", func(t *testing.T) {
		devicetest.Run(t, func(testing.TB) device.Backend { return ref.New[float64]() }, devicetest.Options{})
	})
}

func TestGradients(t *testing.T) {
	b := ref.New[float64]()
	for _, c := range devicetest.Gradients() {
		t.Run(c.Name, func(t *testing.T) {
			rep, err := c.Check(b)
			if err != nil {
				t.Error(err)
			}
			t.Logf("%+v", rep)
		})
	}
}
