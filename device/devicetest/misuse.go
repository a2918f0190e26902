package devicetest

import (
	"fmt"
	"slices"
	"strings"

	"voxgrad/device"
	"voxgrad/device/ref"
)

// checkMisuse makes the call in every wrong way: with each argument of another shape, absent, freed, of
// another backend, and in memory of another size; with each output in the memory of each other argument
// whose place it may not take; with a mode that there is not. Each must panic with the method's name.
func (tr *trial) checkMisuse(b device.Backend) error {
	mem := arena{b: b}
	defer mem.free()
	alloc := func(name string, s device.Shape) device.Tensor {
		t := mem.alloc(name, s)
		b.Fill(t, 1)
		return t
	}
	right := tensors{map[string]device.Tensor{}, tr.variations()[0].mode}
	for _, a := range tr.args {
		right.at[a.name] = alloc(a.name, a.shape)
	}
	refuses := func(what string, change func(t tensors)) error {
		t := tensors{map[string]device.Tensor{}, map[string]device.Mode{}}
		for k, v := range right.at {
			t.at[k] = v
		}
		for k, v := range right.mode {
			t.mode[k] = v
		}
		change(t)
		return namedPanic(tr.method, what, func() { tr.call(b, t) })
	}
	freed := b.Alloc(device.Vec(1))
	b.Free(freed)
	foreign := ref.New[float32]().Alloc(device.Vec(1))
	for _, a := range tr.args {
		larger := a.shape
		larger.N++
		ways := map[string]device.Tensor{
			"freed":                     {Shape: a.shape, Mem: freed.Mem},
			"of another backend":        {Shape: a.shape, Mem: foreign.Mem},
			"in memory of another size": {Shape: a.shape, Mem: alloc(a.name, larger).Mem},
		}
		if !a.free {
			ways["of another shape"] = alloc(a.name, larger)
		}
		if a.group == 0 && !a.mask {
			ways["absent"] = device.Tensor{}
		}
		for what, t := range ways {
			if err := refuses(a.name+" "+what, func(to tensors) { to.at[a.name] = t }); err != nil {
				return err
			}
		}
		if a.role == grad {
			if err := refuses(a.name+" with mode 7", func(to tensors) { to.mode[a.name] = 7 }); err != nil {
				return err
			}
		}
	}
	for _, o := range tr.args {
		for _, a := range tr.args {
			if o.role == input || a.name == o.name || a.shape.Len() != o.shape.Len() {
				continue
			}
			for _, mode := range []device.Mode{device.Set, device.Add} {
				if mode == device.Add && o.role != grad || mode == device.Set && slices.Contains(tr.alias, [2]string{o.name, a.name}) {
					continue
				}
				if err := refuses(fmt.Sprintf("%s in %s", o.name, a.name), func(to tensors) {
					to.at[o.name] = device.Tensor{Shape: o.shape, Mem: right.at[a.name].Mem}
					if o.role == grad {
						to.mode[o.name] = mode
					}
				}); err != nil {
					return err
				}
			}
		}
	}
	if err := b.Sync(); err != nil {
		return fmt.Errorf("after wrong calls: Sync: %w", err)
	}
	return mem.check()
}

// namedPanic reports why f does not panic with the method's name.
func namedPanic(method, what string, f func()) (err error) {
	defer func() {
		if p := recover(); p == nil {
			err = fmt.Errorf("%s: no panic", what)
		} else if !slices.Contains(strings.FieldsFunc(fmt.Sprint(p), notLetter), method) {
			err = fmt.Errorf("%s: the panic does not name %s: %v", what, method, p)
		}
	}()
	f()
	return nil
}

func notLetter(r rune) bool { return r < 'A' || r > 'Z' && r < 'a' || r > 'z' }
