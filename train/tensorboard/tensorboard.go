// Package tensorboard writes the event files that TensorBoard shows: scalars and
// texts by step, in TFRecord framing with hand-made protocol buffers.
package tensorboard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"time"
)

// Scalar is one point of a curve.
type Scalar struct {
	Tag   string
	Value float64 // stored as float32
}

// Writer appends events to one file. Not for concurrent use.
type Writer struct {
	f   *os.File
	now func() time.Time
}

// Create makes a new events.out.tfevents file in dir. A run that goes on after
// a break makes one of its own and calls Restart.
func Create(dir string) (*Writer, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	now := time.Now()
	for n := 0; ; n++ {
		name := fmt.Sprintf("events.out.tfevents.%010d.%s.%d.%d", now.Unix(), host, os.Getpid(), n)
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, os.ErrExist) && n < 1000 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("TensorBoard events: %w", err)
		}
		w := &Writer{f: f, now: time.Now}
		if err := w.write(event{version: "brain.Event:2"}); err != nil {
			f.Close()
			return nil, err
		}
		return w, nil
	}
}

// Path is the file's.
func (w *Writer) Path() string { return w.f.Name() }

// Restart tells TensorBoard to forget what earlier files of this folder say about
// this step and later ones.
func (w *Writer) Restart(step int) error { return w.write(event{step: step, restart: true}) }

// Scalars adds one point to each curve.
func (w *Writer) Scalars(step int, points ...Scalar) error {
	return w.write(event{step: step, scalars: points})
}

// Close ends the file.
func (w *Writer) Close() error {
	if err := w.f.Close(); err != nil {
		return fmt.Errorf("TensorBoard events: %w", err)
	}
	return nil
}

// write appends one TFRecord: length, checksum of the length, data, checksum of
// the data, all little-endian; in one call, so that a reader never sees half.
func (w *Writer) write(e event) error {
	e.time = float64(w.now().UnixNano()) / 1e9
	data := e.encode()
	rec := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	rec = binary.LittleEndian.AppendUint32(rec, maskedCRC(rec[:8]))
	rec = append(rec, data...)
	rec = binary.LittleEndian.AppendUint32(rec, maskedCRC(data))
	if _, err := w.f.Write(rec); err != nil {
		return fmt.Errorf("TensorBoard events: %w", err)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC is TFRecord's checksum: CRC-32C, rotated and shifted so that a
// checksum of data that holds checksums stays useful.
func maskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// event is the part of tensorflow.Event that is used.
type event struct {
	time    float64
	step    int
	version string
	restart bool
	scalars []Scalar
}

// Field numbers of event.proto and summary.proto.
func (e event) encode() []byte {
	b := fixed64(nil, 1, math.Float64bits(e.time))
	b = varint(b, 2, uint64(e.step))
	if e.version != "" {
		b = bytesField(b, 3, []byte(e.version))
	}
	if e.restart {
		b = bytesField(b, 7, varint(nil, 1, 1)) // session_log, status START
	}
	if len(e.scalars) > 0 {
		var s []byte
		for _, p := range e.scalars {
			v := bytesField(nil, 1, []byte(p.Tag))
			v = append(v, 2<<3|5) // simple_value, 32 bits
			v = binary.LittleEndian.AppendUint32(v, math.Float32bits(float32(p.Value)))
			s = bytesField(s, 1, v)
		}
		b = bytesField(b, 5, s)
	}
	return b
}

func varint(b []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(append(b, byte(field<<3)), v)
}

func fixed64(b []byte, field int, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(b, byte(field<<3|1)), v)
}

func bytesField(b []byte, field int, v []byte) []byte {
	return append(binary.AppendUvarint(append(b, byte(field<<3|2)), uint64(len(v))), v...)
}
