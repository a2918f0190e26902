package devicetest

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
)

// firstError runs the cases that claim the method until one of them fails.
func firstError(cases []Case, method string, open func() device.Backend) error {
	for _, c := range cases {
		for _, m := range c.Methods {
			if m != method || c.Name == "several goroutines" {
				continue
			}
			if _, err := c.Check(open()); err != nil {
				return err
			}
		}
	}
	return nil
}

// plainFault goes wrong in the same way for any method. applies tells whether a
// call can show it.
type plainFault struct {
	name    string
	applies func(c *call) bool
	do      func(s *spy[float32], c *call)
}

func changes(c *call) bool { return len(c.outs)+len(c.intos) > 0 }

// elementAt steps over the end of a slice as a kernel would.
func elementAt(first *float32, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(first), i*int(unsafe.Sizeof(*first))))
}

func relatesShapes(c *call) bool { return len(c.outs)+len(c.intos)+len(c.ins) > 1 }

// written are the tensors that a call has changed.
func (c *call) written() []device.Tensor {
	var ts []device.Tensor
	for _, t := range c.outs {
		if !t.None() {
			ts = append(ts, *t)
		}
	}
	for _, t := range c.intos {
		if t.Mode != device.Skip {
			ts = append(ts, t.Tensor)
		}
	}
	return ts
}

func plainFaults() []plainFault {
	modeFault := func(name string, from, to device.Mode) plainFault {
		return plainFault{name, func(c *call) bool { return len(c.intos) > 0 }, func(_ *spy[float32], c *call) {
			for _, t := range c.intos {
				if t.Mode == from && !t.None() {
					t.Mode = to
				}
			}
			c.run()
		}}
	}
	calls := 0
	return []plainFault{
		{"does nothing", changes, func(_ *spy[float32], c *call) {}},
		{"last element a little wrong", changes, func(s *spy[float32], c *call) {
			c.run()
			for _, t := range c.written() {
				x := s.Data(t)
				x[len(x)-1] = x[len(x)-1]*(1+1e-3) + 1e-3
			}
		}},
		{"last element not written", changes, func(s *spy[float32], c *call) {
			ts := c.written()
			before := make([]float32, len(ts))
			for i, t := range ts {
				x := s.Data(t)
				before[i] = x[len(x)-1]
			}
			c.run()
			for i, t := range ts {
				x := s.Data(t)
				x[len(x)-1] = before[i]
			}
		}},
		{"changes an input", func(c *call) bool { return changes(c) && len(c.ins) > 0 }, func(s *spy[float32], c *call) {
			c.run()
			for _, t := range c.ins {
				if !t.None() && len(s.Data(*t)) > 1 {
					s.Data(*t)[1] += 0.5
				}
			}
		}},
		{"writes behind a tensor", changes, func(s *spy[float32], c *call) {
			c.run()
			for _, t := range c.written() {
				x := s.Data(t)
				if cap(x) > len(x) { // a guard is there
					*elementAt(&x[0], len(x)) = 0
				}
			}
		}},
		{"differs from run to run", changes, func(s *spy[float32], c *call) {
			c.run()
			calls++
			for _, t := range c.written() {
				x := s.Data(t)
				x[0] *= 1 + float32(calls%7)*0x1p-22
			}
		}},
		{"accepts wrong shapes", relatesShapes, func(_ *spy[float32], c *call) {
			defer func() { _ = recover() }()
			c.run()
		}},
		{"does not say its name", relatesShapes, func(_ *spy[float32], c *call) {
			defer func() {
				if recover() != nil {
					panic("wrong shape")
				}
			}()
			c.run()
		}},
		modeFault("takes Add for Set", device.Add, device.Set),
		modeFault("takes Set for Add", device.Set, device.Add),
		modeFault("writes what is skipped", device.Skip, device.Set),
	}
}

// Without these no one would know that the table can go red.
func TestTableFindsPlainFaults(t *testing.T) {
	cases := Cases(Options{})
	tried := map[string]int{}
	for _, method := range backendMethods() {
		for _, f := range plainFaults() {
			if f.name == "writes behind a tensor" && method == "Upload" {
				continue // the harness itself uploads; see the transfer case
			}
			used := false
			err := firstError(cases, method, func() device.Backend {
				var s *spy[float32]
				s = newSpy[float32](func(c *call) {
					if c.method != method || !f.applies(c) {
						c.run()
						return
					}
					used = true
					f.do(s, c)
				})
				return s
			})
			if used {
				tried[f.name]++
				require.Error(t, err, "%s: %s", method, f.name)
			}
		}
	}
	for _, f := range plainFaults() {
		require.Greater(t, tried[f.name], 10, f.name)
	}
}

func TestGradientsFindPlainFaults(t *testing.T) {
	cases := Gradients()
	for _, method := range backendMethods() {
		if !isReverse(method) {
			continue
		}
		for into := range 3 {
			used := false
			err := firstError(cases, method, func() device.Backend {
				var s *spy[float64]
				s = newSpy[float64](func(c *call) {
					c.run()
					if c.method == method && into < len(c.intos) {
						used = true
						x := s.Data(c.intos[into].Tensor)
						x[len(x)/2] = x[len(x)/2]*(1+1e-4) + 1e-5
					}
				})
				return s
			})
			require.Equal(t, used, err != nil, "%s, gradient %d: %v", method, into, err)
		}
	}
}
