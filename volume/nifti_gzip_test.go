package volume

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever follows the compressed data is left out, and a file of several members,
// as bgzip writes, is one file.
func TestGzipTails(t *testing.T) {
	raw := make([]byte, 60)
	for i := range raw {
		raw[i] = byte(i)
	}
	plain := file(binary.LittleEndian, sample1(Uint8), make([]byte, 4), raw)
	whole := zipped(t, plain)
	for name, tail := range map[string][]byte{
		"nothing": nil, "a zero": {0}, "9 zeros": make([]byte, 9), "10 zeros": make([]byte, 10), "512 zeros": make([]byte, 512),
		"a newline": []byte("\n"), "text": []byte("and so on"), "half a member": {0x1f, 0x8b, 8}, "an empty member": zipped(t, nil), "a member of garbage": append([]byte{0x1f, 0x8b}, make([]byte, 40)...),
	} {
		v, err := Decode(bytes.NewReader(append(bytes.Clone(whole), tail...)), "f.nii.gz")
		require.NoError(t, err, name)
		require.Equal(t, float32(59), v.Data[59], name)
		zeros := len(bytes.Trim(tail, "\x00")) == 0
		told := strings.Contains(strings.Join(v.Source.Warnings(), "\n"), "bytes behind the end of the compressed data are left out")
		require.Equal(t, !zeros && name != "an empty member", told, name)
	}
	for cut := 1; cut < len(plain); cut += 37 {
		two := append(zipped(t, plain[:cut]), zipped(t, plain[cut:])...)
		v, err := Decode(bytes.NewReader(append(two, 0, 0, 0)), "f.nii.gz")
		require.NoError(t, err)
		require.Equal(t, float32(59), v.Data[59])
	}
	for cut := 1; cut < 12; cut++ {
		_, err := Decode(bytes.NewReader(whole[:len(whole)-cut]), "f.nii.gz")
		require.Error(t, err, "cut by %d", cut)
	}
}

func TestOnlyRegularFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "pipe.nii")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	for _, path := range []string{fifo, "/dev/zero", dir} {
		for _, read := range []func() error{
			func() error { _, err := Read(path); return err },
			func() error { _, err := ReadHeader(path); return err },
			func() error { _, err := ReadITK(path); return err },
			func() error { _, err := ReadMask(path); return err },
		} {
			require.ErrorContains(t, read(), "a regular file is needed", path)
		}
	}
	img := filepath.Join(dir, "scan.img")
	require.NoError(t, os.WriteFile(img, make([]byte, 1000), 0o600))
	_, err := Read(img)
	require.ErrorContains(t, err, ".hdr/.img pair")
}
