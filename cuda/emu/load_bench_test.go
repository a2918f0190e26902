package emu

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkLoad(b *testing.B) {
	text, err := os.ReadFile("../kernels/conv.sm_61.ptx")
	if err != nil {
		b.Skip("no kernels here: ", err)
	}
	for b.Loop() {
		_, err := New().Load(string(text))
		require.NoError(b, err)
	}
}
