package augment

import (
	"encoding/json"
	"fmt"

	"voxgrad/internal/strictjson"
	"voxgrad/internal/text"
)

// decode reads a JSON object into a struct that holds the defaults.
func decode(b []byte, into any) error {
	d := strictjson.Decoder{What: "parameters", Key: "parameter", Example: `{"axis": 2}`}
	return d.Decode(b, into)
}

// UnmarshalJSON accepts one number or three.
func (t *Triple) UnmarshalJSON(b []byte) error {
	var one float64
	if json.Unmarshal(b, &one) == nil && string(b) != "null" {
		*t = Same(one)
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
