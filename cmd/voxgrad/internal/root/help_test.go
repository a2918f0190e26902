package root_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// leans matches help texts that mean something only beside another one: options are listed
// by name, not in the order in which they were written.
var leans = regexp.MustCompile(`(?i)^(…|\.\.\.|its |their |it |they |likewise|the same|such |of |most \(|largest \(|smallest \(|least \(|at most so|also |in between|auto,|kde,|transposed or|linear or cubic:|with it|e in)`)

// Every command and option has a help text that stands by itself.
func TestHelpTextsStandByThemselves(t *testing.T) {
	n := 0
	for path, c := range commands() {
		require.NotEmpty(t, c.Short, path)
		c.Flags().VisitAll(func(f *pflag.Flag) {
			n++
			assert.GreaterOrEqual(t, len(strings.Fields(f.Usage)), 2, "voxgrad %s --%s: %q says nothing", path, f.Name, f.Usage)
			assert.NotRegexp(t, leans, f.Usage, "voxgrad %s --%s leans on another option's text", path, f.Name)
		})
	}
	require.Greater(t, n, 200)
}
