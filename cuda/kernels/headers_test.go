package kernels

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	entryName   = regexp.MustCompile(`\.visible \.entry (\w+)\(`)
	sharedArray = regexp.MustCompile(`\.shared \.align \d+ \.b8 \w+\[(\d+)\]`)
	width       = regexp.MustCompile(`_v[14]((_bf16)?)$`)
)

// The comment at the head of a source says of every kernel how the work is split, how much shared memory it takes,
// by the PTX, and which bytes it moves.
func TestHeadersStateCosts(t *testing.T) {
	sources, err := filepath.Glob("*.cu")
	require.NoError(t, err)
	require.NotEmpty(t, sources)
	for _, source := range sources {
		text, err := os.ReadFile(source)
		require.NoError(t, err)
		head, _, ok := strings.Cut(string(text), "\n#include")
		require.True(t, ok, source)
		words := strings.Join(strings.Fields(strings.ReplaceAll(head, "\n//", " ")), " ")
		require.Regexp(t, `(?i)thread|block`, words, "%s: the split of the work", source)
		require.Regexp(t, `(?i)bytes`, words, "%s: the bytes moved", source)

		made, err := filepath.Glob(strings.TrimSuffix(source, ".cu") + ".sm_*.ptx")
		require.NoError(t, err)
		require.NotEmpty(t, made, source)
		ptx, err := os.ReadFile(made[0])
		require.NoError(t, err)
		entries := entryName.FindAllStringSubmatchIndex(string(ptx), -1)
		require.NotEmpty(t, entries, source)
		for i, e := range entries {
			name, end := string(ptx[e[2]:e[3]]), len(ptx)
			if i+1 < len(entries) {
				end = entries[i+1][0]
			}
			require.Regexp(t, `\b`+width.ReplaceAllString(name, "$1")+`\b`, words, "%s: a kernel it does not mention", source)
			shared := 0
			for _, m := range sharedArray.FindAllStringSubmatch(string(ptx[e[0]:end]), -1) {
				n, err := strconv.Atoi(m[1])
				require.NoError(t, err)
				shared += n
			}
			switch {
			case shared == 0:
				require.Regexp(t, `(?i)no shared memory`, words, "%s: %s", source, name)
			case shared < 1024:
				require.Contains(t, words, fmt.Sprintf("%d bytes of shared memory", shared), "%s: %s", source, name)
			default:
				kib := strings.TrimSuffix(fmt.Sprintf("%.1f", float64(shared)/1024), ".0")
				require.Regexp(t, `\b`+regexp.QuoteMeta(kib)+`\b[\w\s.,]*?KiB`, words, "%s: %s takes %d bytes of shared memory", source, name, shared)
			}
		}
	}
}
