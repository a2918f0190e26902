package devicetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"voxgrad/device"
	"voxgrad/device/ref"
	"voxgrad/internal/rng"
)

// role is what an operation does with an argument.
type role int

const (
	input role = iota
	output
	grad  // an Into
	state // read and changed
)

// arg is one tensor argument.
type arg struct {
	name  string
	shape device.Shape
	role  role
	make  values // contents of an input or state

	// terms and scale say how exact a result can be, see compare. For a gradient
	// without terms the bits must agree when it is Set; Add rounds once.
	terms, scale float64

	group int  // arguments of the same group, not 0, may be absent together
	free  bool // goes with any shape of the others
}

// trial is one call of one method, with all the ways to make it.
type trial struct {
	method string
	name   string
	args   []arg
	call   func(b device.Backend, t tensors)

	alias [][2]string // outputs and the input whose place they may take
	flops float64
	conv  bool // judged by Options.Conv
	full  bool // every combination of modes, and wrong shapes too
	large bool
}

// tensors are the arguments of one call.
type tensors struct {
	at   map[string]device.Tensor
	mode map[string]device.Mode
}

func (t tensors) into(name string) device.Into {
	return device.Into{Tensor: t.at[name], Mode: t.mode[name]}
}

// variation is one way to make the call.
type variation struct {
	what   string
	mode   map[string]device.Mode
	absent map[string]bool
	alias  [2]string // output, input; empty for none
}

func (tr *trial) asCase() Case {
	c := Case{Name: tr.method + "/" + tr.name, Methods: []string{tr.method}, FLOPs: tr.flops, check: tr.check}
	for _, a := range tr.args {
		c.Shapes = append(c.Shapes, a.shape)
	}
	return c
}

// draw makes the contents of all arguments: inputs and states as the trial says,
// for gradients the values that Add finds. set is what the first variation
// leaves in them, in float64.
func (tr *trial) draw() (vals map[string][]float32, set map[string][]float64) {
	vals = map[string][]float32{}
	sizes := map[string]device.Shape{}
	for _, a := range tr.args {
		sizes[a.name] = a.shape
		if a.make != nil {
			vals[a.name] = a.make(draw{rng.New(1, tr.method, tr.name, a.name), a.shape, vals, sizes})
		}
	}
	// What Add finds has the size of what it adds, so that neither drowns.
	set = tr.onRef(tr.variations()[0], vals)
	for _, a := range tr.args {
		if a.role != grad {
			continue
		}
		rms := 0.0
		for _, v := range set[a.name] {
			rms += v * v / float64(len(set[a.name]))
		}
		if rms == 0 {
			rms = 1
		}
		vals[a.name] = normal(0, math.Sqrt(rms))(draw{Stream: rng.New(2, tr.method, tr.name, a.name), shape: a.shape})
	}
	return vals, set
}

// variations starts with all arguments present and all gradients Set.
func (tr *trial) variations() []variation {
	var grads []string
	groups := map[int][]string{}
	for _, a := range tr.args {
		if a.role == grad {
			grads = append(grads, a.name)
		}
		if a.group != 0 {
			groups[a.group] = append(groups[a.group], a.name)
		}
	}
	modes := func(of func(i int) device.Mode) map[string]device.Mode {
		m := map[string]device.Mode{}
		for i, g := range grads {
			m[g] = of(i)
		}
		return m
	}
	set := modes(func(int) device.Mode { return device.Set })
	vs := []variation{{what: "set", mode: set}}
	if !tr.full {
		if len(grads) > 0 {
			vs = append(vs, variation{what: "add", mode: modes(func(int) device.Mode { return device.Add })})
		}
		return vs
	}
	// Every combination of Set, Add, Skip and Skip without a tensor.
	for n := 1; n < 1<<(2*len(grads)); n++ {
		v := variation{absent: map[string]bool{}}
		digit := func(i int) int { return n >> (2 * i) & 3 }
		v.mode = modes(func(i int) device.Mode {
			return [...]device.Mode{device.Set, device.Add, device.Skip, device.Skip}[digit(i)]
		})
		var what []string
		for i, g := range grads {
			v.absent[g] = digit(i) == 3
			what = append(what, g+" "+[...]string{"set", "add", "skip", "absent"}[digit(i)])
		}
		v.what = strings.Join(what, ", ")
		vs = append(vs, v)
	}
	for g := 1; g <= len(groups); g++ {
		v := variation{what: "without " + strings.Join(groups[g], " and "), mode: set, absent: map[string]bool{}}
		for _, name := range groups[g] {
			v.absent[name] = true
		}
		vs = append(vs, v)
	}
	for _, p := range tr.alias {
		vs = append(vs, variation{what: p[0] + " in " + p[1], mode: set, alias: p})
	}
	return vs
}

// onRef is what the call leaves in every argument, in float64.
func (tr *trial) onRef(v variation, vals map[string][]float32) map[string][]float64 {
	b := ref.New[float64]()
	t := tensors{map[string]device.Tensor{}, v.mode}
	for _, a := range tr.args {
		if v.absent[a.name] {
			continue
		}
		t.at[a.name] = b.Alloc(a.shape)
		if x, ok := vals[a.name]; ok {
			b.Upload(t.at[a.name], x)
		}
	}
	if v.alias[0] != "" {
		t.at[v.alias[0]] = t.at[v.alias[1]]
	}
	tr.call(b, t)
	out := map[string][]float64{}
	for name, x := range t.at {
		out[name] = b.Data(x)
	}
	return out
}

// onBackend is what the call leaves in every output, gradient and state, after
// having looked at everything that must not change.
func (tr *trial) onBackend(b device.Backend, v variation, vals map[string][]float32) (map[string][]float32, error) {
	mem := arena{b: b}
	defer mem.free()
	t := tensors{map[string]device.Tensor{}, v.mode}
	keeps := map[string][]float32{}
	nan := float32(math.NaN())
	for _, a := range tr.args {
		if v.absent[a.name] || a.name == v.alias[0] {
			continue
		}
		x := mem.alloc(a.name, a.shape)
		t.at[a.name] = x
		if a.role == output || a.role == grad && v.mode[a.name] == device.Set {
			b.Fill(x, nan)
		} else {
			b.Upload(x, vals[a.name])
		}
		if a.role == input && a.name != v.alias[1] || a.role == grad && v.mode[a.name] == device.Skip {
			keeps[a.name] = download(b, x)
		}
	}
	if v.alias[0] != "" {
		t.at[v.alias[0]] = t.at[v.alias[1]]
	}
	tr.call(b, t)
	if err := b.Sync(); err != nil {
		return nil, fmt.Errorf("Sync: %w", err)
	}
	out := map[string][]float32{}
	for _, a := range tr.args {
		x, ok := t.at[a.name]
		if !ok {
			continue
		}
		if before, ok := keeps[a.name]; ok {
			if err := sameBits(before, download(b, x)); err != nil {
				return nil, fmt.Errorf("%s must not change: %w", a.name, err)
			}
		} else if a.role != input {
			out[a.name] = download(b, x)
		}
	}
	return out, mem.check()
}

func (tr *trial) check(b device.Backend, opt Options) (rep Report, err error) {
	vals, set := tr.draw()
	_, rep.Guarded = b.(Guarded)
	tol := opt.Tolerance
	if tr.conv {
		tol = opt.Conv
	}
	for i, v := range tr.variations() {
		got, err := tr.onBackend(b, v, vals)
		if err != nil {
			return rep, fmt.Errorf("%s: %w", v.what, err)
		}
		want := set
		if i > 0 {
			want = tr.onRef(v, vals)
		}
		for _, a := range tr.args {
			x, ok := got[a.name]
			if !ok {
				continue
			}
			terms := a.terms
			if v.mode[a.name] == device.Add {
				terms++
			}
			r, err := compare(x, want[a.name], terms, a.scale, tol)
			r.What = a.name + " (" + v.what + ")"
			rep.worse(r)
			if err != nil {
				return r, fmt.Errorf("%s: %s: %w", v.what, a.name, err)
			}
		}
		again, err := tr.onBackend(b, v, vals)
		if err != nil {
			return rep, fmt.Errorf("%s, second run: %w", v.what, err)
		}
		for name := range got {
			if err := sameBits(got[name], again[name]); err != nil {
				return rep, fmt.Errorf("%s: %s differs between two runs: %w", v.what, name, err)
			}
		}
	}
	if tr.full {
		return rep, tr.checkPanics(b, vals)
	}
	return rep, nil
}

// checkPanics gives one argument after another a batch too many.
func (tr *trial) checkPanics(b device.Backend, vals map[string][]float32) error {
	set := tr.variations()[0]
	for _, wrong := range tr.args {
		if wrong.free {
			continue
		}
		err := func() (err error) {
			mem := arena{b: b}
			defer mem.free()
			t := tensors{map[string]device.Tensor{}, set.mode}
			for _, a := range tr.args {
				s := a.shape
				if a.name == wrong.name {
					s.N++
				}
				t.at[a.name] = mem.alloc(a.name, s)
				b.Fill(t.at[a.name], 1)
			}
			defer func() {
				if p := recover(); p == nil {
					err = errors.New("no panic")
				} else if !slices.Contains(strings.FieldsFunc(fmt.Sprint(p), notLetter), tr.method) {
					err = fmt.Errorf("the panic does not name %s: %v", tr.method, p)
				}
			}()
			tr.call(b, t)
			return nil
		}()
		if err != nil {
			return fmt.Errorf("%s of a wrong shape: %w", wrong.name, err)
		}
	}
	return nil
}

func notLetter(r rune) bool { return r < 'A' || r > 'Z' && r < 'a' || r > 'z' }
