package report

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/report"
)

func TestRunHistory(t *testing.T) {
	h, err := parseRunHistory([]byte("epoch,step,best,valid_dice,other\n1,5,true,,x\n2,10,true,0.5,y\n3,15,false,0.4,\n"))
	require.NoError(t, err)
	require.Equal(t, 3, h.epochs())
	require.Equal(t, 2, h.best)
	require.True(t, math.IsNaN(h.columns["valid_dice"][0]))
	require.Equal(t, 0.5, h.atBest("valid_dice"))
	require.True(t, math.IsNaN(h.atBest("train_loss")))
	require.NotContains(t, h.columns, "other")
	_, err = report.Curves(h.curves())
	require.NoError(t, err)
	_, err = parseRunHistory([]byte("\ufeffepoch;best\r\n1;true\r\n")) // as a spreadsheet saves it
	require.NoError(t, err)
	h, err = parseRunHistory([]byte("epoch,best\n1,true\n"))
	require.NoError(t, err)
	_, err = report.Curves(h.curves())
	require.NoError(t, err)
}

func FuzzRunHistory(f *testing.F) {
	f.Add("epoch,step,best,train_loss,valid_loss,valid_dice\n1,2,true,0.5,0.6,\n")
	f.Add("epoch,valid_dice\n1,NaN\n2,Inf\n")
	f.Add("epoch\n1\n")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseRunHistory([]byte(text))
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		_, err = report.Curves(h.curves())
		require.NoError(t, err)
		for _, c := range runColumns {
			h.atBest(c.key)
		}
	})
}
