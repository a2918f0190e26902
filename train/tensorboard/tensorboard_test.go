package tensorboard

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// message is a protocol buffer read back without knowing its schema.
type message map[int][]any // field → varints (uint64), fixed numbers (uint64), or bytes

func parse(t *testing.T, b []byte) message {
	m := message{}
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		require.Positive(t, n)
		b = b[n:]
		field := int(key >> 3)
		switch key & 7 {
		case 0:
			v, n := binary.Uvarint(b)
			require.Positive(t, n)
			m[field], b = append(m[field], v), b[n:]
		case 1:
			m[field], b = append(m[field], binary.LittleEndian.Uint64(b)), b[8:]
		case 2:
			l, n := binary.Uvarint(b)
			require.Positive(t, n)
			m[field], b = append(m[field], b[n:n+int(l)]), b[n+int(l):]
		case 5:
			m[field], b = append(m[field], uint64(binary.LittleEndian.Uint32(b))), b[4:]
		default:
			t.Fatalf("wire type %d", key&7)
		}
	}
	return m
}

// records undoes the framing and checks both checksums, unmasking them the
// other way round than the writer does.
func records(t *testing.T, path string) (out []message) {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	check := func(data []byte, masked uint32) {
		rot := masked - 0xa282ead8
		require.Equal(t, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)), rot>>17|rot<<15)
	}
	for len(b) > 0 {
		n := int(binary.LittleEndian.Uint64(b))
		check(b[:8], binary.LittleEndian.Uint32(b[8:]))
		check(b[12:12+n], binary.LittleEndian.Uint32(b[12+n:]))
		out = append(out, parse(t, b[12:12+n]))
		b = b[16+n:]
	}
	return out
}

func TestEventsReadBack(t *testing.T) {
	w, err := Create(t.TempDir())
	require.NoError(t, err)
	require.Contains(t, filepath.Base(w.Path()), "events.out.tfevents.")
	require.NoError(t, w.Scalars(300, Scalar{"train/loss", 0.25}, Scalar{"train/dice", math.Pi}))
	require.NoError(t, w.Restart(1<<33))
	require.NoError(t, w.Close())

	r := records(t, w.Path())
	require.Len(t, r, 3)
	require.Equal(t, "brain.Event:2", string(r[0][3][0].([]byte)))
	require.EqualValues(t, 300, r[1][2][0])
	require.Greater(t, math.Float64frombits(r[1][1][0].(uint64)), 1.7e9)
	values := parse(t, r[1][5][0].([]byte))[1]
	require.Len(t, values, 2)
	for i, want := range []Scalar{{"train/loss", 0.25}, {"train/dice", float64(float32(math.Pi))}} {
		v := parse(t, values[i].([]byte))
		require.Equal(t, want.Tag, string(v[1][0].([]byte)))
		require.Equal(t, want.Value, float64(math.Float32frombits(uint32(v[2][0].(uint64)))))
	}
	require.EqualValues(t, 1<<33, r[2][2][0])
	require.EqualValues(t, 1, parse(t, r[2][7][0].([]byte))[1][0])
}

// The check value of CRC-32C ("123456789" gives e3069283), masked by hand:
// rotated right by 15 bits it is c78d1526+... computed here from the definition.
func TestMaskedChecksum(t *testing.T) {
	c := uint32(0xe3069283)
	require.Equal(t, c, crc32.Checksum([]byte("123456789"), castagnoli))
	require.Equal(t, (c>>15|c<<17)+0xa282ead8, maskedCRC([]byte("123456789")))
}

func TestTwoWritersDoNotShareAFile(t *testing.T) {
	dir := t.TempDir()
	a, err := Create(dir)
	require.NoError(t, err)
	defer a.Close()
	b, err := Create(dir)
	require.NoError(t, err)
	defer b.Close()
	require.NotEqual(t, a.Path(), b.Path())
}

func TestMissingFolder(t *testing.T) {
	_, err := Create(filepath.Join(t.TempDir(), "no"))
	require.ErrorContains(t, err, "TensorBoard")
}
