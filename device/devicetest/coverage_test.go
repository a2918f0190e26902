package devicetest

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
)

func backendMethods() []string {
	return slices.Sorted(maps.Keys(methodsOf(reflect.TypeFor[device.ImagingBackend]())))
}

// covered are the methods that cases say they check, each having really been
// called while they did.
func covered(t *testing.T, cases []Case, run func(c Case) (called map[string]bool, err error)) map[string]bool {
	all, names := map[string]bool{}, map[string]bool{}
	for _, c := range cases {
		require.False(t, names[c.Name], "two cases are called %s", c.Name)
		names[c.Name] = true
		called, err := run(c)
		require.NoError(t, err)
		require.NotEmpty(t, c.Methods, c.Name)
		for _, m := range c.Methods {
			require.True(t, called[m], "%s says that it checks %s and does not call it", c.Name, m)
			all[m] = true
		}
	}
	return all
}

func TestEveryMethodHasACase(t *testing.T) {
	all := covered(t, Cases(Options{}), func(c Case) (map[string]bool, error) {
		if c.Name == "several goroutines" {
			return map[string]bool{"Sync": true}, nil // the spy's notes are for one goroutine
		}
		s := newSpy[float32](nil)
		rep, err := c.Check(s)
		if rep.Bound > 0 {
			require.True(t, rep.Guarded, c.Name)
		}
		return s.called, err
	})
	for _, m := range backendMethods() {
		require.True(t, all[m], "device.Backend.%s has no case", m)
	}
}

func TestEveryReverseHasAGradient(t *testing.T) {
	all := covered(t, Gradients(), func(c Case) (map[string]bool, error) {
		s := newSpy[float64](nil)
		rep, err := c.Check(s)
		require.Positive(t, rep.Bound, c.Name)
		return s.called, err
	})
	for _, m := range backendMethods() {
		if isReverse(m) {
			require.True(t, all[m], "device.Backend.%s has no gradient case", m)
		}
	}
}

func isReverse(method string) bool { return strings.Contains(method, "Grad") || method == "Split" }

func TestGradientsNeedFloat64(t *testing.T) {
	c := Gradients()[0]
	_, err := c.Check(newSpy[float32](nil))
	require.ErrorContains(t, err, "float64")
}

func TestLargeCasesAreMore(t *testing.T) {
	small, all := Cases(Options{}), Cases(Options{Large: true})
	require.Greater(t, len(all), len(small))
	name := func(c Case) string { return c.Name }
	var names []string
	for _, c := range all {
		names = append(names, name(c))
	}
	for _, c := range small {
		require.True(t, slices.Contains(names, c.Name))
	}
	require.True(t, all[len(all)-1].Closes)
}
