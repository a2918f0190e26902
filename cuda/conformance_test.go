package cuda

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/device/devicetest"
)

func onEmulator(t testing.TB, opts []emu.Option, bopts ...Option) (*emu.Device, *Backend) {
	t.Helper()
	d := emu.New(opts...)
	b, err := New(d, bopts...)
	require.NoError(t, err)
	return d, b
}

// guardWord is a NaN of a pattern of its own.
const guardWord = 0x7fc0abcd

// GuardAlloc implements devicetest.Guarded. Without a pool the driver is an
// emulator that sees every access outside an allocation, and there is nothing to
// look at afterwards. With one, words of a pattern surround the tensor; it starts
// at a multiple of 256 bytes, as every tensor does.
func (b *Backend) GuardAlloc(s device.Shape, pad int) (device.Tensor, func() error) {
	if b.opt.exact {
		return b.Alloc(s), b.Sync
	}
	pad = roundUp(pad, 64)
	t := b.alloc(s, pad, fp32)
	m := t.Mem.(*buffer)
	all := make([]float32, s.Len()+2*pad)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.drv.Fill32(m.base, guardWord, int64(len(all))); err != nil {
		b.err = err
	}
	return t, func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if err := b.drv.ToHost(bytesOf(all), m.base); err != nil {
			return err
		}
		for i, v := range all {
			if (i < pad || i >= pad+s.Len()) && math.Float32bits(v) != guardWord {
				return fmt.Errorf("element %d became %g", i-pad, v)
			}
		}
		return nil
	}
}

// errorTable is the largest error of each operation, in parts of its output's size, by what ran it. What the conformance tests find goes into one table, which
// each of them logs: the last has all columns.
type errorTable struct {
	columns []string
	errors  map[string]map[string]float64 // by operation
	cases   map[string]map[string]bool
}

var conformance = errorTable{errors: map[string]map[string]float64{}, cases: map[string]map[string]bool{}}

// in returns what notes a case in a column.
func (e *errorTable) in(column string) func(devicetest.Case, devicetest.Report) {
	e.columns = append(e.columns, column)
	return func(c devicetest.Case, r devicetest.Report) {
		if len(c.Shapes) == 0 { // no one call
			return
		}
		op := c.Methods[0]
		if e.errors[op] == nil {
			e.errors[op], e.cases[op] = map[string]float64{}, map[string]bool{}
		}
		e.errors[op][column] = max(e.errors[op][column], r.OfSize)
		e.cases[op][c.Name] = true
	}
}

// log writes the table in Markdown. An operation that has to have the expected bits has no error.
func (e *errorTable) log(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, "largest errors\n| operation | cases | %s |\n|---|---|%s\n", strings.Join(e.columns, " | "), strings.Repeat("---|", len(e.columns)))
	for _, op := range slices.Sorted(maps.Keys(e.errors)) {
		fmt.Fprintf(&b, "| %s | %d |", op, len(e.cases[op]))
		for _, c := range e.columns {
			switch worst, ok := e.errors[op][c]; {
			case !ok:
				b.WriteString(" |")
			case worst == 0:
				b.WriteString(" 0 |")
			default:
				fmt.Fprintf(&b, " %.1e |", worst)
			}
		}
		b.WriteByte('\n')
	}
	t.Log(b.String())
}

// Without a pool, the emulator sees every access outside a tensor, to memory that
// was freed and of values nobody wrote, and blocks that meet. The latter costs a seventh of the time.
func TestConformance(t *testing.T) {
	devicetest.Run(t, func(t testing.TB) device.Backend {
		_, b := onEmulator(t, []emu.Option{emu.BlockRaces()}, WithoutPool())
		return b
	}, devicetest.Options{Guarded: true, Each: conformance.in("fp32")})
	conformance.log(t)
}

// With the pool, as on a GPU: tensors use memory of others again. Cases of many variations
// are left to the table above.
func TestConformanceWithPool(t *testing.T) {
	_, b := onEmulator(t, []emu.Option{emu.SkipRaces()})
	for i, c := range devicetest.Cases(devicetest.Options{Guarded: true}) {
		memory := c.FLOPs == 0 && len(c.Shapes) == 0
		if c.Closes || !memory && i%5 != 0 {
			continue
		}
		_, err := c.Check(b)
		require.NoError(t, err)
	}
	now, _ := b.Usage()
	require.Zero(t, now)
	require.NotZero(t, b.pool.idle)
	require.NoError(t, b.Close())
}
