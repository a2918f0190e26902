package strictjson

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// number reads null as NaN, like a missing measure.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = number(math.NaN())
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}

type pair [2]float64

func (p *pair) UnmarshalJSON(b []byte) error {
	var x []float64
	if json.Unmarshal(b, &x) != nil || len(x) != 2 {
		return ShapeError("want two numbers")
	}
	copy(p[:], x)
	return nil
}

type common struct {
	Seed uint64 `json:"seed"`
}

type document struct {
	common
	Name   string             `json:"name" need:"yes"`
	Size   [3]int             `json:"size"`
	List   []float64          `json:"list"`
	Inner  struct{ Deep int } `json:"inner"`
	Items  []item             `json:"items"`
	By     map[string]float64 `json:"by"`
	Maybe  *float64           `json:"maybe"`
	Score  number             `json:"score"`
	Pair   pair               `json:"pair"`
	On     bool               `json:"on"`
	Any    any                `json:"any"`
	Raw    json.RawMessage    `json:"raw"`
	Scores []number           `json:"scores"`
	Hidden int                `json:"-"`
	own    int
}

type item struct {
	Key string `json:"key"`
}

func TestReadsWhatIsRight(t *testing.T) {
	x := document{own: 7, Hidden: 3}
	x.List = []float64{9}
	require.NoError(t, Decoder{}.Decode([]byte(` {"seed": 18446744073709551615, "name": "é", "size": [1,2,3], "inner": {"Deep": 2}, "items": [{"key": "a"}, {}],
		"by": {"a": 1, "A": 2}, "maybe": null, "score": null, "pair": [1, 2], "on": true, "any": null, "raw": {"x": [1]}, "scores": [1, null]} `+"\n"), &x))
	require.Equal(t, uint64(math.MaxUint64), x.Seed)
	require.Equal(t, [3]int{1, 2, 3}, x.Size)
	require.Equal(t, []float64{9}, x.List, "a default stays where the document says nothing")
	require.Equal(t, 2, x.Inner.Deep)
	require.Equal(t, []item{{"a"}, {}}, x.Items)
	require.Equal(t, map[string]float64{"a": 1, "A": 2}, x.By)
	require.Nil(t, x.Maybe)
	require.True(t, math.IsNaN(float64(x.Score)) && math.IsNaN(float64(x.Scores[1])))
	require.Equal(t, pair{1, 2}, x.Pair)
	require.Equal(t, `{"x": [1]}`, string(x.Raw))
	require.Equal(t, []int{7, 3}, []int{x.own, x.Hidden})

	var list []item
	require.NoError(t, Decoder{}.Decode([]byte(`[{"key": "a"}]`), &list))
	require.Equal(t, []item{{"a"}}, list)
}

func TestRefuses(t *testing.T) {
	for doc, want := range map[string]string{
		``:                                      "the values are empty",
		`{"name": "a"`:                          "are not JSON",
		`{"name": "a"} {}`:                      "something follows the values",
		`[1]`:                                   "values must be a JSON object, not [1]",
		`null`:                                  "values must be a JSON object, not null",
		`{}`:                                    "name is missing",
		`{"name": "a", "name": "b"}`:            "name is given twice",
		`{"Name": "a"}`:                         `there is no key "Name"; known are seed, name, `,
		`{"name": "a", "sede": 1}`:              `did you mean seed?`,
		`{"name": "a", "own": 1}`:               `there is no key "own"`,
		`{"name": "a", "Hidden": 1}`:            `there is no key "Hidden"`,
		`{"name": null}`:                        "name must not be null",
		`{"name": 3}`:                           "name: 3 is not a text",
		`{"name": "a", "on": 1}`:                "on: 1 is not true or false",
		`{"name": "a", "seed": -1}`:             "seed: -1 is not a whole number of at least 0",
		`{"name": "a", "size": [1, 2]}`:         "size: [1, 2] must have 3 values",
		`{"name": "a", "size": [1, 2, 3, 4]}`:   "size: [1, 2, 3, 4] must have 3 values",
		`{"name": "a", "size": [1, null, 3]}`:   "size: [1, null, 3] must not hold null",
		`{"name": "a", "size": [1, 2.5, 3]}`:    "size: [1, 2.5, 3] is not a list",
		`{"name": "a", "list": {}}`:             "list: {} is not a list",
		`{"name": "a", "list": [1e999]}`:        "list: [1e999] is not a list",
		`{"name": "a", "inner": {"deep": 2}}`:   `there is no key "inner.deep"; known are Deep; did you mean Deep?`,
		`{"name": "a", "inner": 2}`:             "inner: 2 is not an object",
		`{"name": "a", "items": [{}, {"k":1}]}`: `there is no key "items[1].k"`,
		`{"name": "a", "items": [null]}`:        "items: [null] must not hold null",
		`{"name": "a", "by": {"a": null}}`:      "by.a must not be null",
		`{"name": "a", "by": {"a":1, "a":2}}`:   "by.a is given twice",
		`{"name": "a", "by": 7}`:                "by: 7 is not an object",
		`{"name": "a", "pair": [1]}`:            "pair: want two numbers",
		`{"name": "a", "score": "x"}`:           "score: \"x\" is not a number",
		"{\"name\": \"a\", \"seed\": [1,\n2]}":  `seed: [1,\n2] is not a whole number`,
		"{\"name\": \"a\", \"\\u001b[31m\": 1}": `there is no key "\x1b[31m"`,
	} {
		var x document
		err := Decoder{}.Decode([]byte(doc), &x)
		require.ErrorContains(t, err, want, doc)
		require.NotContains(t, err.Error(), "\n", doc)
	}
	var x document
	require.Error(t, Decoder{}.Decode([]byte(`{"name": `+strings.Repeat("[", 1<<20)), &x))
	err := Decoder{}.Decode([]byte(`{"name": [`+strings.Repeat("1,", 1<<20)+`1]}`), &x)
	require.ErrorContains(t, err, "is not a text")
	require.Less(t, len(err.Error()), 200)
}

func TestForeignKeysAreSkipped(t *testing.T) {
	var x document
	d := Decoder{Foreign: true, What: "settings", Key: "setting", Example: `{"name": "a"}`}
	require.NoError(t, d.Decode([]byte(`{"name": "a", "theirs": {"b": [1]}}`), &x))
	require.ErrorContains(t, d.Decode([]byte(`{"name": "a", "theirs": 1, "theirs": 2}`), &x), "theirs is given twice")
	require.ErrorContains(t, d.Decode([]byte(`3`), &x), `settings must be a JSON object such as {"name": "a"}, not 3`)
	d.Foreign = false
	require.ErrorContains(t, d.Decode([]byte(`{"theirs": 1}`), &x), `there is no setting "theirs"`)
}

// What is accepted is what encoding/json reads too, and an error has one line.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name": "a", "size": [1,2,3], "by": {"a": 1}, "items": [{"key": "b"}], "maybe": 2}`))
	f.Add([]byte(`{"name": 1`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var x, y document
		if err := (Decoder{}).Decode(b, &x); err != nil {
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 5000)
			return
		}
		require.NoError(t, json.Unmarshal(b, &y))
		require.Equal(t, y.Name, x.Name)
		require.Equal(t, y.Size, x.Size)
		require.Equal(t, y.By, x.By)
		require.Equal(t, len(y.Items), len(x.Items))
	})
}
