package emu

import "encoding/binary"

func get16(b []byte) uint16    { return binary.LittleEndian.Uint16(b) }
func get32(b []byte) uint32    { return binary.LittleEndian.Uint32(b) }
func get64(b []byte) uint64    { return binary.LittleEndian.Uint64(b) }
func put16(b []byte, v uint16) { binary.LittleEndian.PutUint16(b, v) }
func put32(b []byte, v uint32) { binary.LittleEndian.PutUint32(b, v) }
func put64(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }

// extend reads n bytes and extends them to 64 bits.
func extend(b []byte, n int, signed bool) uint64 {
	switch n {
	case 1:
		if signed {
			return uint64(int64(int8(b[0])))
		}
		return uint64(b[0])
	case 2:
		if signed {
			return uint64(int64(int16(get16(b))))
		}
		return uint64(get16(b))
	case 4:
		if signed {
			return uint64(int64(int32(get32(b))))
		}
		return uint64(get32(b))
	}
	return get64(b)
}

// store writes the low n bytes of v.
func store(b []byte, n int, v uint64) {
	switch n {
	case 1:
		b[0] = byte(v)
	case 2:
		put16(b, uint16(v))
	case 4:
		put32(b, uint32(v))
	default:
		put64(b, v)
	}
}
