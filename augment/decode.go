package augment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// decode reads a JSON object into a struct that holds the defaults. Unlike package
// json it refuses unknown keys (also those that differ in case), keys given
// twice, null for what cannot be absent, and it misses fields tagged need.
func decode(b []byte, into any) error {
	fields := map[string]reflect.Value{}
	var names, missing []string
	list(reflect.ValueOf(into).Elem(), func(name string, need bool, v reflect.Value) {
		fields[name] = v
		names = append(names, name)
		if need {
			missing = append(missing, name)
		}
	})
	seen := map[string]bool{}
	err := object(b, func(key string, raw json.RawMessage) error {
		v, ok := fields[key]
		switch {
		case !ok:
			return fmt.Errorf("there is no parameter %q; known are %s", key, strings.Join(names, ", "))
		case seen[key]:
			return fmt.Errorf("%s is given twice", key)
		}
		seen[key] = true
		return value(key, raw, v)
	})
	if err != nil {
		return err
	}
	for _, name := range missing {
		if !seen[name] {
			return fmt.Errorf("%s is missing", name)
		}
	}
	return nil
}

// list calls f for the fields with a JSON name, those of embedded structs included.
func list(v reflect.Value, f func(name string, need bool, v reflect.Value)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous:
			list(v.Field(i), f)
		case name != "" && name != "-":
			f(name, field.Tag.Get("need") != "", v.Field(i))
		}
	}
}

// object calls f for each key of a JSON object, and nothing may follow the object.
func object(b []byte, f func(key string, raw json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("parameters must be a JSON object such as {\"axis\": 2}, not %s", short(b))
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return notJSON(b, err)
		}
		key, ok := t.(string)
		if !ok {
			return notJSON(b, errors.New("a name is missing"))
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return notJSON(b, err)
		}
		if err := f(key, raw); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return notJSON(b, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("something follows the parameters in %s", short(b))
	}
	return nil
}

func notJSON(b []byte, err error) error {
	return fmt.Errorf("the parameters %s are not JSON: %w", short(b), err)
}

// short is the beginning of b for a message.
func short(b []byte) string {
	const most = 60
	s := strings.ToValidUTF8(string(bytes.TrimSpace(b)), "?")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// value reads one parameter.
func value(key string, raw json.RawMessage, v reflect.Value) error {
	null := string(raw) == "null"
	if null && v.Kind() != reflect.Pointer {
		return fmt.Errorf("%s must not be null", key)
	}
	err := json.Unmarshal(raw, v.Addr().Interface())
	var own shapeError
	switch {
	case errors.As(err, &own):
		return fmt.Errorf("%s: %w", key, own)
	case err != nil:
		return fmt.Errorf("%s: %s is not %s", key, short(raw), wanted(v.Type()))
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return nil // not a list
	}
	for _, x := range items {
		if string(x) == "null" { // package json would leave a 0
			return fmt.Errorf("%s: %s must not hold null", key, short(raw))
		}
	}
	if n := arrayLength(v); n > 0 && len(items) != n { // package json fills and cuts arrays
		return fmt.Errorf("%s: %s must have %d values", key, short(raw), n)
	}
	return nil
}

// arrayLength is the length of an array that package json reads by itself.
func arrayLength(v reflect.Value) int {
	if _, own := v.Addr().Interface().(json.Unmarshaler); own || v.Kind() != reflect.Array {
		return 0
	}
	return v.Len()
}

func wanted(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Float64:
		return "a number"
	case reflect.Int:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number of at least 0"
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	}
	return "a list of what it needs"
}

// shapeError is a list of the wrong length.
type shapeError string

func (e shapeError) Error() string { return string(e) }

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
		return shapeError(fmt.Sprintf("want %s, not %s", what, short(b)))
	}
	for a, x := range list {
		if x == nil {
			return shapeError(fmt.Sprintf("want %s, not %s", what, short(b)))
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
	bad := shapeError("want four rows of four numbers, the last one 0 0 0 1")
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
