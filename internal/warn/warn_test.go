package warn

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnce(t *testing.T) {
	var b bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
	t.Cleanup(func() { slog.SetDefault(was) })
	for range 3 {
		Once("%s: odd", "a.nii")
		Once("%s: odd", "b.nii")
	}
	require.Equal(t, 2, strings.Count(b.String(), "level=WARN"))
	Forget()
	Once("%s: odd", "a.nii")
	require.Equal(t, 2, strings.Count(b.String(), "a.nii: odd"))
}
