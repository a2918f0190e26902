// Package strictjson decodes JSON without the tolerance of encoding/json, which
// overlooks what is misspelt, given twice, null or of another length: a setting
// that has no effect, or a value that nobody wrote.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"voxgrad/internal/text"
)

// Decoder states what a document is called in errors and how strict its reading is.
type Decoder struct {
	What    string // the document, in the plural: "parameters"; "" for "values"
	Key     string // what a key names: "parameter"; "" for "key"
	Example string // a valid document for the error about one that is no object; "" for none
	Foreign bool   // keys that the struct lacks are skipped: the file has other readers too
}

// Decode reads one JSON value of a document into what into points to, which may hold
// defaults. An error names the key and its value: a key that the struct lacks (or
// that differs in case), one given twice, one tagged `need:"yes"` that is missing, null
// for what cannot be absent, an array of another length than its Go type, and
// anything behind the value. Types with an UnmarshalJSON of their own read themselves.
func (d Decoder) Decode(b []byte, into any) error {
	if d.What == "" {
		d.What = "values"
	}
	if d.Key == "" {
		d.Key = "key"
	}
	if err := d.whole(b); err != nil {
		return err
	}
	v := reflect.ValueOf(into).Elem()
	if v.Kind() == reflect.Struct && !reads(v) && !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		example := ""
		if d.Example != "" {
			example = " such as " + d.Example
		}
		return fmt.Errorf("%s must be a JSON object%s, not %s", d.What, example, brief(b))
	}
	return d.value("", bytes.TrimSpace(b), v)
}

// ShapeError is an error of an UnmarshalJSON whose words are meant for the user; an
// error of another type is replaced by what the type is.
type ShapeError string

func (e ShapeError) Error() string { return string(e) }

// whole refuses what is not one JSON value; encoding/json bounds the depth.
func (d Decoder) whole(b []byte) error {
	if len(bytes.TrimSpace(b)) == 0 {
		return fmt.Errorf("the %s are empty", d.What)
	}
	if json.Valid(b) {
		return nil
	}
	r := json.NewDecoder(bytes.NewReader(b))
	var raw json.RawMessage
	if err := r.Decode(&raw); err != nil {
		return fmt.Errorf("the %s %s are not JSON: %w", d.What, brief(b), err)
	}
	return fmt.Errorf("something follows the %s in %s", d.What, brief(b))
}

var reader = reflect.TypeFor[json.Unmarshaler]()

// reads reports whether a value reads itself.
func reads(v reflect.Value) bool { return reflect.PointerTo(v.Type()).Implements(reader) }

// value reads raw, which is valid JSON, into v; path names it in errors.
func (d Decoder) value(path string, raw json.RawMessage, v reflect.Value) error {
	if v.Kind() == reflect.Pointer {
		if string(raw) == "null" {
			v.SetZero()
			return nil
		}
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return d.value(path, raw, v.Elem())
	}
	if string(raw) == "null" && v.Kind() != reflect.Interface && !reads(v) {
		return fmt.Errorf("%s must not be null", name(path, d.What))
	}
	switch {
	case reads(v):
	case v.Kind() == reflect.Struct:
		return d.object(path, raw, v)
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		return d.dictionary(path, raw, v)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8, v.Kind() == reflect.Array:
		return d.list(path, raw, v)
	}
	err := json.Unmarshal(raw, v.Addr().Interface())
	var own ShapeError
	switch {
	case errors.As(err, &own) && path != "":
		return fmt.Errorf("%s: %w", path, own)
	case errors.As(err, &own):
		return own
	case err != nil:
		return d.not(path, raw, v)
	}
	return nil
}

func (d Decoder) not(path string, raw json.RawMessage, v reflect.Value) error {
	if path == "" {
		return fmt.Errorf("%s is not %s", brief(raw), kind(v.Type()))
	}
	return fmt.Errorf("%s: %s is not %s", path, brief(raw), kind(v.Type()))
}

func (d Decoder) object(path string, raw json.RawMessage, v reflect.Value) error {
	fields := map[string]reflect.Value{}
	var names, missing []string
	list(v, func(name string, need bool, f reflect.Value) {
		fields[name] = f
		names = append(names, name)
		if need {
			missing = append(missing, name)
		}
	})
	seen := map[string]bool{}
	err := d.members(path, raw, v, func(key string, raw json.RawMessage) error {
		f, ok := fields[key]
		switch {
		case !ok && d.Foreign:
			return nil
		case !ok:
			return fmt.Errorf("there is no %s %s; known are %s%s", d.Key, quoted(join(path, key)), strings.Join(names, ", "), text.DidYouMean(key, names))
		}
		seen[key] = true
		return d.value(join(path, key), raw, f)
	})
	if err != nil {
		return err
	}
	for _, m := range missing {
		if !seen[m] {
			return fmt.Errorf("%s is missing", join(path, m))
		}
	}
	return nil
}

func (d Decoder) dictionary(path string, raw json.RawMessage, v reflect.Value) error {
	m := reflect.MakeMap(v.Type())
	err := d.members(path, raw, v, func(key string, raw json.RawMessage) error {
		x := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(join(path, key), raw, x); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), x)
		return nil
	})
	if err == nil {
		v.Set(m)
	}
	return err
}

func (d Decoder) list(path string, raw json.RawMessage, v reflect.Value) error {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return d.not(path, raw, v)
	}
	into := v
	if v.Kind() == reflect.Slice {
		into = reflect.MakeSlice(v.Type(), len(items), len(items))
	} else if len(items) != v.Len() {
		return fmt.Errorf("%s: %s must have %s", name(path, d.What), brief(raw), text.Plural(v.Len(), "value"))
	}
	for i, x := range items {
		if e := into.Index(i); string(x) == "null" && e.Kind() != reflect.Pointer && e.Kind() != reflect.Interface && !reads(e) {
			return fmt.Errorf("%s: %s must not hold null", name(path, d.What), brief(raw))
		}
		at := fmt.Sprintf("%s[%d]", path, i)
		if simple(into.Type().Elem()) { // the list as a whole says more
			if json.Unmarshal(x, into.Index(i).Addr().Interface()) != nil {
				return d.not(path, raw, v)
			}
			continue
		}
		if err := d.value(at, x, into.Index(i)); err != nil {
			return err
		}
	}
	v.Set(into)
	return nil
}

// simple reports whether a type is a number, a text or a truth value.
func simple(t reflect.Type) bool {
	return !reflect.PointerTo(t).Implements(reader) && (t.Kind() <= reflect.Complex128 && t.Kind() != reflect.Invalid || t.Kind() == reflect.String)
}

// members calls f for each key of an object and its value.
func (d Decoder) members(path string, raw json.RawMessage, v reflect.Value, f func(key string, raw json.RawMessage) error) error {
	r := json.NewDecoder(bytes.NewReader(raw))
	if t, err := r.Token(); err != nil || t != json.Delim('{') {
		return d.not(path, raw, v)
	}
	seen := map[string]bool{}
	for r.More() {
		t, err := r.Token()
		if err != nil {
			return err // not reached: the document is valid
		}
		key := t.(string)
		var raw json.RawMessage
		if err := r.Decode(&raw); err != nil {
			return err // not reached
		}
		if seen[key] {
			return fmt.Errorf("%s is given twice", text.Clean(join(path, key)))
		}
		seen[key] = true
		if err := f(key, raw); err != nil {
			return err
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
		case field.Anonymous && name == "" && field.Type.Kind() == reflect.Struct:
			list(v.Field(i), f)
		case name == "-" || !field.IsExported():
		case name == "":
			f(field.Name, field.Tag.Get("need") != "", v.Field(i))
		default:
			f(name, field.Tag.Get("need") != "", v.Field(i))
		}
	}
}

func kind(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Float64, reflect.Float32:
		return "a number"
	case reflect.Int, reflect.Int64, reflect.Int32:
		return "a whole number"
	case reflect.Uint, reflect.Uint64, reflect.Uint32, reflect.Uint8:
		return "a whole number of at least 0"
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a list of what it needs"
}

func join(path, key string) string {
	if path == "" {
		return text.Clean(key)
	}
	return path + "." + text.Clean(key)
}

func name(path, what string) string {
	if path == "" {
		return "the " + what
	}
	return path
}

func quoted(s string) string { return `"` + text.Clean(s) + `"` }

// brief is a part of a document for a message.
func brief(b []byte) string {
	const most = 60
	return text.CleanTo(string(bytes.TrimSpace(b)), most)
}
