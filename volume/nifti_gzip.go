package volume

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
)

// members reads the members of a gzip file one after another, as gzip does. What
// follows the last one and is no member is left out: zeros that pad a file to
// blocks, a newline, anything. gzip.Reader alone takes any byte for the beginning of
// another member, and fewer bytes than a member's header for a file that was cut off.
type members struct {
	buf  *bufio.Reader
	z    *gzip.Reader
	tail int // bytes seen behind the last member that are not 0
	done bool
}

func newMembers(buf *bufio.Reader) (*members, error) {
	z, err := gzip.NewReader(buf)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &members{buf: buf, z: z}, nil
}

func (m *members) Read(b []byte) (int, error) {
	for !m.done {
		n, err := m.z.Read(b)
		if n > 0 && errors.Is(err, io.EOF) {
			return n, nil
		}
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		next, _ := m.buf.Peek(2)
		if len(next) < 2 || next[0] != 0x1f || next[1] != 0x8b {
			m.done = true
			for _, c := range next {
				m.tail += int(min(c, 1))
			}
			break
		}
		if err := m.z.Reset(m.buf); err != nil { // it only began like a member
			m.done, m.tail = true, 1
			break
		}
		m.z.Multistream(false)
	}
	return 0, io.EOF
}
