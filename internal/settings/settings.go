// Package settings walks over the structs that hold settings: their names, values and
// comments; as a TOML file with all of them, from a file, in which two differ.
//
// A setting is an exported field with a toml tag; its comment tag says what it means. A
// struct is a table of the file, an embedded one belongs to the table around it.
package settings

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Key is a setting.
type Key struct {
	Path    string // its full name in a file: adam.learning_rate
	Comment string
	Value   reflect.Value // can be set if it was listed from a pointer
}

// Name is the last part of the key's path.
func (k Key) Name() string { return k.Path[strings.LastIndexByte(k.Path, '.')+1:] }

// Keys lists the settings of a struct, or of one that is pointed to, in their order. Tables
// behind a nil pointer have none.
func Keys(v any) []Key {
	var out []Key
	walk("", reflect.Indirect(reflect.ValueOf(v)), false, func(k Key) { out = append(out, k) })
	return out
}

// walk calls f for each setting of v, with all also for those of tables behind nil pointers.
func walk(table string, v reflect.Value, all bool, f func(Key)) {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("toml"), ",")
		if value.Kind() == reflect.Pointer && value.Type().Elem().Kind() == reflect.Struct {
			if value.IsNil() && !all {
				continue
			}
			if value.IsNil() {
				value = reflect.New(value.Type().Elem())
			}
			value = value.Elem()
		}
		switch {
		case field.Anonymous && name == "":
			walk(table, value, all, f)
		case !field.IsExported() || name == "" || name == "-":
		case value.Kind() == reflect.Struct:
			walk(table+name+".", value, all, f)
		default:
			f(Key{table + name, field.Tag.Get("comment"), value})
		}
	}
}

// Difference is a setting with two values, as they are written in a command line.
type Difference struct{ Path, A, B string }

// Diff lists the settings in which two structs of one type differ.
func Diff(a, b any) []Difference {
	var out []Difference
	others := Keys(b)
	for i, k := range Keys(a) {
		x, y := Text(k.Value), Text(others[i].Value)
		if x != y {
			out = append(out, Difference{k.Path, x, y})
		}
	}
	return out
}

// Text writes a setting's value as Set reads it.
func Text(v reflect.Value) string {
	separator := ","
	switch v.Kind() {
	case reflect.Array: // a size
		separator = "x"
	case reflect.Slice:
	default:
		return fmt.Sprint(v.Interface())
	}
	parts := make([]string, v.Len())
	for i := range parts {
		parts[i] = Text(v.Index(i))
	}
	return strings.Join(parts, separator)
}

// Type names the kind of a setting's value.
func Type(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Array:
		return "XxYxZ"
	case reflect.Slice:
		return "list"
	case reflect.Float64:
		return "float"
	case reflect.Bool:
		return "bool"
	case reflect.String:
		return "string"
	}
	return "int"
}

// Set parses text, of a command line or the environment, into a setting's value.
func Set(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(n)
	case reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number of at least 0", text)
		}
		if err := CheckSeed(n); err != nil {
			return err
		}
		v.SetUint(n)
	case reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		v.SetFloat(x)
	case reflect.Slice:
		var parts []string
		if text != "" {
			parts = strings.Split(text, ",")
		}
		list := reflect.MakeSlice(v.Type(), len(parts), len(parts))
		for i, p := range parts {
			if err := Set(list.Index(i), strings.TrimSpace(p)); err != nil {
				return err
			}
		}
		v.Set(list)
	case reflect.Array:
		size, err := ParseSize(text)
		if err != nil {
			return err
		}
		for i, n := range size {
			v.Index(i).SetInt(int64(n))
		}
	default:
		panic("settings: a field of kind " + v.Kind().String())
	}
	return nil
}

// MaxEdge is the largest edge of a size. The product of three fits into an int64.
const MaxEdge = 1 << 16

// ParseSize reads "64x64x64", or "64" for a cube; each edge is from 1 to MaxEdge.
func ParseSize(text string) (size [3]int, err error) {
	parts := strings.Split(text, "x")
	if len(parts) == 1 {
		parts = []string{parts[0], parts[0], parts[0]}
	}
	if len(parts) != 3 {
		return size, fmt.Errorf("%q is not a size: write 64x64x64 (x, y, z)", text)
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 {
			return size, fmt.Errorf("%q is not a size: write 64x64x64 (x, y, z)", text)
		}
		if n > MaxEdge {
			return size, fmt.Errorf("%q: an edge of more than %d voxels", text, MaxEdge)
		}
		size[i] = n
	}
	return size, nil
}
