package train

import (
	"fmt"
	"reflect"
	"strings"
)

// difference is a setting with two values.
type difference struct{ key, a, b string }

// diff lists the settings in which c and d differ, by their names in the file.
func (c Config) diff(d Config) []difference {
	var out []difference
	compare("", reflect.ValueOf(c.resolved()), reflect.ValueOf(d.resolved()), &out)
	return out
}

func compare(table string, a, b reflect.Value, out *[]difference) {
	for i := range a.NumField() {
		f := a.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		switch {
		case !f.IsExported():
		case f.Anonymous:
			compare(table, a.Field(i), b.Field(i), out)
		case f.Type.Kind() == reflect.Struct:
			compare(table+name+".", a.Field(i), b.Field(i), out)
		default:
			x, y := fmt.Sprint(a.Field(i)), fmt.Sprint(b.Field(i))
			if x != y {
				*out = append(*out, difference{table + name, x, y})
			}
		}
	}
}
