package augment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"voxgrad/internal/strictjson"
	"voxgrad/internal/text"
)

// Parse makes the transform of that name from its parameters, a JSON object; empty
// params are an object without any. The error names the transform and what is wrong: a
// name or parameter that does not exist, one that is missing or given twice, a value
// that makes no sense.
func Parse(name string, params []byte) (Transform, error) {
	parse, ok := parsers[name]
	if !ok {
		return nil, fmt.Errorf("there is no transform %q; known are %s%s", name, strings.Join(Transforms(), ", "), text.DidYouMean(name, Transforms()))
	}
	if len(bytes.TrimSpace(params)) == 0 {
		params = []byte("{}")
	}
	t, err := parse(params)
	if err == nil {
		err = t.valid()
	}
	if err != nil {
		return nil, fmt.Errorf("transform %s: %w", name, err)
	}
	return t, nil
}

// Transforms lists the names that Parse knows, sorted.
func Transforms() []string { return slices.Sorted(maps.Keys(parsers)) }

// validated is a transform that can tell what is wrong with its parameters for any size.
type validated interface {
	Transform
	valid() error
}

var parsers = map[string]func(params []byte) (validated, error){
	"blur": func(b []byte) (validated, error) {
		p := smoothing{Truncate: Truncate, Mode: "reflect"}
		err := decode(b, &p)
		if err == nil {
			err = p.resolve()
		}
		return Blur{Sigma: p.sigma, Truncate: p.Truncate}, err
	},
	"edge": func(b []byte) (validated, error) {
		p := edge{smoothing: smoothing{Truncate: Truncate, Mode: "reflect"}, Amount: 1}
		err := decode(b, &p)
		if err == nil {
			err = p.resolve()
		}
		return Edge{Sigma: p.sigma, Truncate: p.Truncate, Amount: p.Amount}, err
	},
	"axial_mean": func(b []byte) (validated, error) {
		p := axialMean{Mode: "reflect", AxialMean: AxialMean{Axis: 2}}
		err := decode(b, &p)
		if err == nil {
			err = word("mode", p.Mode, "reflect")
		}
		return p.AxialMean, err
	},
	"anisotropy_torchio": anisotropy(TorchIO),
	"anisotropy_clamp":   anisotropy(Clamp),
	"anisotropy_zoom": func(b []byte) (validated, error) {
		p := zoom{Down: "zoom order 1", Up: BSpline3}
		err := decode(b, &p)
		if err == nil && p.Up != BSpline3 { // two names of the same
			err = word("up", p.Up, "zoom order 3")
		}
		if err == nil {
			err = word("down", p.Down, "zoom order 1")
		}
		return Anisotropy{Kind: Zoom, Axis: p.Axis, Factor: p.Factor, Up: BSpline3}, err
	},
	"slices":         plain[Slices](Slices{Up: Linear}),
	"noise":          plain[Noise](Noise{}),
	"bias_field":     plain[BiasField](BiasField{}),
	"motion":         motion(false),
	"motion_safe":    motion(true),
	"spike":          spike(false),
	"spike_fixedmax": spike(true),
	"ghosting":       plain[Ghosting](Ghosting{}),
	"flip":           plain[Flip](Flip{}),
	"rot90":          plain[Rot90](Rot90{K: 1}),
	"orient":         plain[Orient](Orient{}),
}

// plain parses a transform whose fields are its parameters.
func plain[T validated](t T) func([]byte) (validated, error) {
	return func(b []byte) (validated, error) {
		p := t
		err := decode(b, &p)
		return p, err
	}
}

// smoothing is the parameters of blur. The standard deviation is in voxels, or in
// millimetres with the spacing.
type smoothing struct {
	SigmaVox  *Triple `json:"sigma_vox"`
	SigmaMM   *Triple `json:"sigma_mm"`
	SpacingMM *Triple `json:"spacing_mm"`
	Truncate  float64 `json:"truncate"`
	Mode      string  `json:"mode"`

	sigma Triple
}

type edge struct {
	smoothing
	Amount float64 `json:"amount"`
}

func (p *smoothing) resolve() error {
	switch {
	case p.SigmaVox != nil && p.SigmaMM == nil && p.SpacingMM == nil:
		p.sigma = *p.SigmaVox
	case p.SigmaVox == nil && p.SigmaMM != nil && p.SpacingMM != nil:
		for a, s := range p.SpacingMM {
			if !(s > 0) {
				return fmt.Errorf("spacing_mm %v: must be above 0", *p.SpacingMM)
			}
			p.sigma[a] = p.SigmaMM[a] / s
		}
	default:
		return errors.New("give either sigma_vox, or sigma_mm with spacing_mm")
	}
	return word("mode", p.Mode, "reflect")
}

type axialMean struct {
	AxialMean
	Mode string `json:"mode"`
}

func anisotropy(kind AnisotropyKind) func([]byte) (validated, error) {
	return plain[Anisotropy](Anisotropy{Kind: kind, Up: BSpline3})
}

type zoom struct {
	Axis   int     `json:"axis" need:"yes"`
	Factor float64 `json:"factor" need:"yes"`
	Down   string  `json:"down"`
	Up     string  `json:"up"`
}

func motion(safe bool) func([]byte) (validated, error) {
	type params struct {
		Motion
		Interpolation string `json:"interpolation"`
	}
	return func(b []byte) (validated, error) {
		p := params{Motion{Safe: safe, SegmentAxis: 2}, "linear"}
		err := decode(b, &p)
		if err == nil {
			err = word("interpolation", p.Interpolation, "linear")
		}
		return p.Motion, err
	}
}

func spike(fixed bool) func([]byte) (validated, error) {
	return plain[Spike](Spike{FixedMax: fixed})
}

// word is an error unless a parameter has its only value.
func word(name, value, only string) error {
	if value != only {
		return fmt.Errorf("%s %q: only %q is possible", name, value, only)
	}
	return nil
}

// step is a transform of a recipe in JSON.
type step struct {
	Transform string          `json:"transform" need:"yes"`
	Params    json.RawMessage `json:"params"`
}

// MarshalJSON implements json.Marshaler.
func (r Recipe) MarshalJSON() ([]byte, error) {
	steps := make([]step, len(r))
	for i, t := range r {
		b, err := json.Marshal(t)
		if err != nil {
			return nil, err
		}
		steps[i] = step{t.Name(), b}
	}
	return json.Marshal(steps)
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *Recipe) UnmarshalJSON(b []byte) error {
	var steps []json.RawMessage
	if err := json.Unmarshal(b, &steps); err != nil {
		return errors.New("a recipe is a list of objects with transform and params")
	}
	out := make(Recipe, len(steps))
	for i, raw := range steps {
		var s step
		err := decode(raw, &s)
		if err == nil {
			out[i], err = Parse(s.Transform, s.Params)
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	*r = out
	return nil
}

// decode reads a JSON object into a struct that holds the defaults.
func decode(b []byte, into any) error {
	d := strictjson.Decoder{What: "parameters", Key: "parameter", Example: `{"axis": 2}`}
	return d.Decode(b, into)
}

// UnmarshalJSON accepts one number or three.
func (t *Triple) UnmarshalJSON(b []byte) error {
	var one float64
	if json.Unmarshal(b, &one) == nil && string(b) != "null" {
		*t = Isotropic(one)
		return nil
	}
	return three((*[3]float64)(t), b, "one number or three")
}

// UnmarshalJSON accepts three numbers.
func (p *Point) UnmarshalJSON(b []byte) error { return three((*[3]float64)(p), b, "three numbers") }

func three(t *[3]float64, b []byte, what string) error {
	var list []*float64
	if json.Unmarshal(b, &list) != nil || len(list) != 3 {
		return strictjson.ShapeError(fmt.Sprintf("want %s, not %s", what, text.CleanTo(string(b), 60)))
	}
	for a, x := range list {
		if x == nil {
			return strictjson.ShapeError(fmt.Sprintf("want %s, not %s", what, text.CleanTo(string(b), 60)))
		}
		t[a] = *x
	}
	return nil
}

// MarshalJSON adds the last row.
func (a Affine) MarshalJSON() ([]byte, error) {
	return json.Marshal([4][4]float64{a[0], a[1], a[2], {0, 0, 0, 1}})
}

// UnmarshalJSON reads four rows of four numbers, the last of which is 0 0 0 1.
func (a *Affine) UnmarshalJSON(b []byte) error {
	var rows [][]*float64
	bad := strictjson.ShapeError("want four rows of four numbers, the last one 0 0 0 1")
	if json.Unmarshal(b, &rows) != nil || len(rows) != 4 {
		return bad
	}
	for r, row := range rows {
		if len(row) != 4 {
			return bad
		}
		for c, x := range row {
			switch {
			case x == nil:
				return bad
			case r < 3:
				a[r][c] = *x
			case *x != [4]float64{3: 1}[c]:
				return bad
			}
		}
	}
	return nil
}
