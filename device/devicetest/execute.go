package devicetest

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"voxgrad/device"
	"voxgrad/device/ref"
)

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
	if opt.Stored != nil {
		vals = tr.stored(vals, opt.Stored)
		set = tr.onRef(tr.variations()[0], vals)
	}
	rounded := tr.rounded(vals, opt.Operand)
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
		var other map[string][]float64
		if rounded != nil {
			other = tr.onRef(v, rounded)
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
			var stored func(float32) float32
			if opt.Stored != nil {
				stored = opt.Stored(a.shape)
			}
			r, err := compareStored(x, want[a.name], terms, a.scale, tol, stored)
			r.What = a.name + " (" + v.what + ")"
			rep.worse(r)
			if err != nil {
				r.Guarded = rep.Guarded
				return r, fmt.Errorf("%s: %s: %w", v.what, a.name, err)
			}
			if rounded == nil {
				continue
			}
			if _, err := compareStored(x, want[a.name], terms, a.scale, Float32, stored); err == nil {
				continue
			}
			if r, err := compareStored(x, other[a.name], terms, a.scale, Float32, stored); err != nil {
				return r, fmt.Errorf("%s: %s: from rounded operands: %w", v.what, a.name, err)
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
		return rep, tr.checkMisuse(b)
	}
	return rep, nil
}

// stored is vals as a backend stores them.
func (tr *trial) stored(vals map[string][]float32, how func(device.Shape) func(float32) float32) map[string][]float32 {
	out := maps.Clone(vals)
	for _, a := range tr.args {
		round := how(a.shape)
		if round == nil || out[a.name] == nil {
			continue
		}
		x := slices.Clone(out[a.name])
		for i, v := range x {
			x[i] = round(v)
		}
		out[a.name] = x
	}
	return out
}

// rounded is vals with the operands of convolutions rounded; nil if there are none.
func (tr *trial) rounded(vals map[string][]float32, round func(float32) float32) map[string][]float32 {
	var out map[string][]float32
	for _, a := range tr.args {
		if !a.operand || round == nil {
			continue
		}
		if out == nil {
			out = maps.Clone(vals)
		}
		x := slices.Clone(vals[a.name])
		for i, v := range x {
			x[i] = round(v)
		}
		out[a.name] = x
	}
	return out
}

// sameBits compares what the call leaves on two backends.
func (tr *trial) sameBits(b, other device.Backend) error {
	vals, _ := tr.draw()
	for _, v := range tr.variations() {
		x, err := tr.onBackend(b, v, vals)
		if err != nil {
			return err
		}
		y, err := tr.onBackend(other, v, vals)
		if err != nil {
			return err
		}
		for name := range x {
			if err := sameBits(x[name], y[name]); err != nil {
				return fmt.Errorf("%s: %s: %w", v.what, name, err)
			}
		}
	}
	return nil
}
