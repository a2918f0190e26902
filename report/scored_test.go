package report

import (
	"bytes"
	"image/color"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/metrics"
	"voxgrad/volume"
)

// scoredGrid is LAS with voxels of 2×1×3 mm: nothing is canonical by chance.
var scoredGrid = volume.Grid{Size: [3]int{40, 36, 12}, Affine: volume.Affine{{-2, 0, 0, 40}, {0, 1, 0, -5}, {0, 0, 3, -10}}}

// scoredCase has three true lesions: one found, one touched too little, one
// missed; and a false positive.
func scoredCase(t *testing.T) *Scored {
	t1, t2, truth, pred, prob := volume.New(scoredGrid), volume.New(scoredGrid), volume.New(scoredGrid), volume.New(scoredGrid), volume.New(scoredGrid)
	for x := range t1.Data {
		t1.Data[x], t2.Data[x] = 100+float32(x%7), 100+float32(x%7)
	}
	cube(truth, [3]int{4, 4, 2}, [3]int{10, 10, 6}, 1)   // 144 voxels
	cube(pred, [3]int{6, 4, 2}, [3]int{10, 10, 6}, 1)    // 96 of them
	cube(truth, [3]int{20, 20, 4}, [3]int{25, 24, 7}, 1) // 60
	cube(pred, [3]int{24, 23, 4}, [3]int{25, 24, 7}, 1)  // 3 of them: 5 %
	cube(truth, [3]int{30, 5, 8}, [3]int{32, 7, 9}, 1)   // 4
	cube(pred, [3]int{10, 28, 9}, [3]int{13, 31, 11}, 1) // 18, false
	cube(prob, [3]int{4, 4, 2}, [3]int{10, 10, 6}, 0.25)
	cube(prob, [3]int{6, 4, 2}, [3]int{10, 10, 6}, 0.75)
	r, err := metrics.EvaluateLabels(truth, pred, metrics.DefaultOptions())
	require.NoError(t, err)
	member := volume.New(scoredGrid)
	cube(member, [3]int{4, 4, 2}, [3]int{5, 10, 6}, 0.6) // 24 of 144 voxels: more than a tenth
	cube(member, [3]int{30, 5, 8}, [3]int{32, 7, 9}, 0.5)
	return &Scored{
		Name: "patient", Result: r, Alpha: 0.1, Members: []*volume.Volume{pred, member, truth},
		Images: &Case{Time1: t1, Time2: t2, Mask: pred, Truth: truth, Prob: prob},
	}
}

func TestScoredLesions(t *testing.T) {
	truth, pred, err := scoredCase(t).Lesions()
	require.NoError(t, err)
	require.Len(t, truth, 3)
	require.Len(t, pred, 3)
	require.Equal(t, []bool{true, false, false}, []bool{truth[0].Found, truth[1].Found, truth[2].Found})
	require.InDelta(t, 96.0/144, truth[0].Covered, 1e-12)
	require.InDelta(t, 3.0/60, truth[1].Covered, 1e-12)
	require.Zero(t, truth[2].Covered)
	require.InDelta(t, (48*0.25+96*0.75)/144, truth[0].MeanProb, 1e-6)
	require.InDelta(t, 0.75, truth[0].MaxProb, 1e-6)
	// Votes: pred and truth mark all of lesion 1, the second member a sixth of it; 5 %
	// and a probability of 0.5 are no votes.
	require.Equal(t, []int{3, 1, 1}, []int{truth[0].Votes, truth[1].Votes, truth[2].Votes})
	require.InDelta(t, 40-2*6.5, truth[0].World[0], 1e-12)
	// Slices with most voxels: on the canonical grid, whose z runs like the file's.
	require.Equal(t, []int{2, 4, 8}, []int{truth[0].slice, truth[1].slice, truth[2].slice})
	require.Equal(t, Box{[3]int{30, 4, 2}, [3]int{36, 10, 6}}, truth[0].box)
	require.True(t, pred[0].Found)
	require.Equal(t, 18, pred[1].Voxels)
	require.False(t, pred[1].Found)
}

func TestScoredRefusesOtherImages(t *testing.T) {
	s := scoredCase(t)
	s.Members = append(s.Members, volume.New(ten))
	s.Members[3].Path = "member.nii"
	_, _, err := s.Lesions()
	require.ErrorContains(t, err, "member.nii")

	s = scoredCase(t)
	s.Images.Mask = s.Images.Truth
	_, _, err = s.Lesions()
	require.ErrorContains(t, err, "measured on another mask")

	s = scoredCase(t)
	s.Images.Mask = nil
	_, _, err = s.Lesions()
	require.ErrorContains(t, err, "needs the two masks")
}

func TestScoredTables(t *testing.T) {
	s := scoredCase(t)
	truth, pred, err := s.Tables()
	require.NoError(t, err)
	text := truth.String()
	for _, want := range []string{"volume (mm³)", "detected", "covered (%)", "mean prob.", "members", "864.0", "66.7", "3 of 3", "1 of 3"} {
		require.Contains(t, text, want)
	}
	require.Contains(t, pred.String(), "true positive")

	s.Members, s.Images.Prob = nil, nil
	truth, _, err = s.Tables()
	require.NoError(t, err)
	require.NotContains(t, truth.String(), "members")
	require.NotContains(t, truth.String(), "prob.")

	empty := volume.New(scoredGrid)
	s.Images.Truth = empty
	s.Result, err = metrics.EvaluateLabels(empty, s.Images.Mask, metrics.DefaultOptions())
	require.NoError(t, err)
	truth, pred, err = s.Tables()
	require.NoError(t, err)
	require.Contains(t, truth.String(), "Nothing is marked in the truth.")
	require.Contains(t, pred.String(), "0 of 3")
}

// count is how many pixels of c are in the rectangle of columns x0 ≤ x < x1.
func countColor(t *testing.T, f LesionFigure, c color.RGBA) (left, right int) {
	b := f.Closeup.Bounds()
	for y := range b.Dy() {
		for x := range b.Dx() {
			if f.Closeup.RGBAAt(x, y) == c {
				if x < b.Dx()/2 {
					left++
				} else {
					right++
				}
			}
		}
	}
	return left, right
}

func TestScoredFigures(t *testing.T) {
	s := scoredCase(t)
	figures, left, err := s.Figures(10)
	require.NoError(t, err)
	require.Zero(t, left)
	require.Len(t, figures, 5, "three true lesions and two false positives")
	require.Contains(t, figures[0].Caption, "True lesion 1: 864.0 mm³ at 27.0, 1.5, 0.5 mm; detected, 66.7 % covered; mean probability 0.58; 3 of 3 members. Axial slice 3 of 12.")
	require.Contains(t, figures[1].Caption, "missed, 5.0 % covered")
	require.Contains(t, figures[3].Caption, "Predicted lesion 2")
	require.Contains(t, figures[3].Caption, "false positive, 0.0 % of it in true lesions")
	for _, c := range []struct {
		figure int
		color  color.RGBA
	}{{0, TruePositive}, {0, FalseNegative}, {2, FalseNegative}, {3, FalsePositive}} {
		first, second := countColor(t, figures[c.figure], c.color)
		require.Zero(t, first, "the first scan is shown without masks")
		require.Positive(t, second, "%d %v", c.figure, c.color)
	}
	_, second := countColor(t, figures[3], TruePositive)
	require.Zero(t, second)

	figures, left, err = s.Figures(3)
	require.NoError(t, err)
	require.Equal(t, 2, left)
	require.Contains(t, figures[1].Caption, "True lesion 2")
	require.Contains(t, figures[2].Caption, "Predicted lesion 2")
	figures, left, err = s.Figures(0)
	require.NoError(t, err)
	require.Equal(t, 5, left)
	require.Empty(t, figures)
}

// A mask of 255 and 254 with the background at 254 is measured as 1 and 0; the
// figures must show what was measured.
func TestFiguresShowWhatWasMeasured(t *testing.T) {
	s := scoredCase(t)
	shifted := s.Images.Mask.Like()
	for x, v := range s.Images.Mask.Data {
		shifted.Data[x] = 254 + v
	}
	want, _, err := s.Figures(10)
	require.NoError(t, err)
	s.Images.Mask = shifted
	got, _, err := s.Figures(10)
	require.NoError(t, err)
	require.Len(t, got, len(want))
	for n, f := range got {
		require.Equal(t, want[n].Caption, f.Caption)
		require.True(t, bytes.Equal(want[n].Slices.Pix, f.Slices.Pix), "whole slices of figure %d", n)
		require.True(t, bytes.Equal(want[n].Closeup.Pix, f.Closeup.Pix), "close-ups of figure %d", n)
	}
}

func TestShareOfFigures(t *testing.T) {
	for _, c := range [][5]int{{3, 2, 10, 3, 2}, {30, 2, 10, 8, 2}, {3, 20, 10, 3, 7}, {30, 20, 10, 5, 5}, {30, 20, 5, 3, 2}, {4, 4, 0, 0, 0}} {
		a, b := share(c[0], c[1], c[2])
		require.Equal(t, [2]int{c[3], c[4]}, [2]int{a, b}, "%v", c)
	}
}

func TestScoredCaseOnAPage(t *testing.T) {
	s := scoredCase(t)
	s.Name = evil
	p := NewPage("evaluation")
	require.NoError(t, p.ScoredCase(s, 4))
	html := render(t, p)
	requireXML(t, []byte(html))
	require.Equal(t, 8, strings.Count(html, "<img"))
	require.NotContains(t, html, "<script")
	require.Contains(t, html, `fill="#2ECC40"`)
	require.Contains(t, html, "One more lesion or false positive is in the tables only.")

	s.Images.Time1, s.Images.Time2 = nil, nil // masks alone: tables alone
	p = NewPage("evaluation")
	require.NoError(t, p.ScoredCase(s, 4))
	require.NotContains(t, render(t, p), "<img")

	s.Images.Prob = volume.New(ten)
	require.ErrorContains(t, p.ScoredCase(s, 4), "not in the same space")
}

func TestVotesNeedMoreThanAlpha(t *testing.T) {
	s := scoredCase(t)
	s.Alpha = 1.0 / 6 // the second member marks exactly a sixth of lesion 1
	truth, _, err := s.Lesions()
	require.NoError(t, err)
	require.Equal(t, 2, truth[0].Votes)
	s.Members = []*volume.Volume{s.Members[1].Like()}
	for x := range s.Members[0].Data {
		s.Members[0].Data[x] = float32(math.NaN())
	}
	truth, _, err = s.Lesions()
	require.NoError(t, err)
	require.Zero(t, truth[0].Votes)
}
