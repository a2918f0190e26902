package compare

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMethodNames(t *testing.T) {
	require.Equal(t, [2]string{"ours", "theirs"}, methodNames([2]string{"x/ours/", "y/theirs"}))
	require.Equal(t, [2]string{"x/masks", "y/masks"}, methodNames([2]string{"x/masks", "y/masks"}))
}
