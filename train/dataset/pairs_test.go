package dataset

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"voxgrad/internal/table"
)

// relPair is a pair with its paths relative to root, as one line.
func relPair(t *testing.T, root string, p Pair) string {
	out := p.Name + ":"
	for _, f := range append([]string{p.Truth, p.Prediction, p.Flair1, p.Flair2, p.Brain, p.Probability}, p.Members...) {
		if f == "" {
			out += " -"
		} else {
			out += " " + rel(t, root, f)[0]
		}
	}
	return out
}

func match(t *testing.T, root string, p Pair) (lines, unused []string) {
	for _, s := range []*string{&p.Truth, &p.Prediction, &p.Flair1, &p.Flair2, &p.Brain, &p.Probability} {
		if *s != "" {
			*s = filepath.Join(root, *s)
		}
	}
	for n, m := range p.Members {
		p.Members[n] = filepath.Join(root, m)
	}
	pairs, single, left, err := p.Match()
	require.NoError(t, err)
	require.False(t, single)
	for _, q := range pairs {
		lines = append(lines, relPair(t, root, q))
	}
	for _, u := range left {
		unused = append(unused, rel(t, root, u.Path)[0]+": "+u.Reason)
	}
	return lines, unused
}

// What the pipeline and nnU-Net write is scored as it is.
func TestMatchReadsWhatProgramsWrite(t *testing.T) {
	root := t.TempDir()
	touch(t, root,
		"data/a/ground_truth.nii.gz", "data/a/flair_time01_on_middle_space.nii.gz", "data/a/flair_time02_on_middle_space.nii.gz", "data/a/brain_mask.NII.GZ",
		"data/b/ground_truth.nii", "data/b/flair_time01_on_middle_space.nii.gz", "data/b/flair_time02_on_middle_space.nii.gz", "data/b/brain_mask.nii.gz", "data/single.csv",
		"predictions/a_new.nii.gz", "predictions/a_probability.nii.gz", "predictions/b_new.nii.gz", "predictions/b_probability.nii.gz",
		"member/a_probability.nii.gz", "member/b.nii.gz", "member/b_probability.nii.gz")
	lines, unused := match(t, root, Pair{Truth: "data", Prediction: "predictions", Flair1: "data", Flair2: "data", Brain: "data", Probability: "predictions", Members: []string{"member"}})
	const t1, t2 = "flair_time01_on_middle_space.nii.gz", "flair_time02_on_middle_space.nii.gz"
	require.Equal(t, []string{
		"a: data/a/ground_truth.nii.gz predictions/a_new.nii.gz data/a/" + t1 + " data/a/" + t2 + " data/a/brain_mask.NII.GZ predictions/a_probability.nii.gz member/a_probability.nii.gz",
		"b: data/b/ground_truth.nii predictions/b_new.nii.gz data/b/" + t1 + " data/b/" + t2 + " data/b/brain_mask.nii.gz predictions/b_probability.nii.gz member/b.nii.gz",
	}, lines)
	require.Equal(t, []string{
		"predictions/a_probability.nii.gz: a map of probabilities", "predictions/b_probability.nii.gz: a map of probabilities",
		"predictions/a_new.nii.gz: a mask", "predictions/b_new.nii.gz: a mask",
	}, unused)

	root = t.TempDir()
	touch(t, root, "raw/dataset.json", "raw/imagesTr/ms_1_0000.nii.gz", "raw/imagesTr/ms_1_0001.nii.gz", "raw/labelsTr/ms_1.nii.gz",
		"out/ms_1.nii.gz", "out/ms_1.npz", "out/ms_1.pkl", "out/dataset.json", "out/plans.json", "out/predict_from_raw_data_args.json")
	lines, unused = match(t, root, Pair{Truth: "raw", Prediction: "out", Flair1: "raw", Flair2: "raw"})
	require.Equal(t, []string{"ms_1: raw/labelsTr/ms_1.nii.gz out/ms_1.nii.gz raw/imagesTr/ms_1_0000.nii.gz raw/imagesTr/ms_1_0001.nii.gz - -"}, lines)
	require.Equal(t, []string{"out/dataset.json: no image", "out/ms_1.npz: no image", "out/ms_1.pkl: no image", "out/plans.json: no image",
		"out/predict_from_raw_data_args.json: no image"}, unused)
	lines, _ = match(t, root, Pair{Truth: "raw/labelsTr", Prediction: "out", Flair2: "raw/imagesTr"})
	require.Equal(t, []string{"ms_1: raw/labelsTr/ms_1.nii.gz out/ms_1.nii.gz - raw/imagesTr/ms_1_0000.nii.gz - -"}, lines)

	root = t.TempDir()
	touch(t, root, "ms/Center_01/Patient_02/Masks/Consensus.nii.gz", "ms/Center_01/Patient_02/Preprocessed_Data/FLAIR_preprocessed.nii.gz", "p/Center_01_Patient_02.nii")
	lines, _ = match(t, root, Pair{Truth: "ms", Prediction: "p", Flair2: "ms"})
	require.Equal(t, []string{"Center_01_Patient_02: ms/Center_01/Patient_02/Masks/Consensus.nii.gz p/Center_01_Patient_02.nii - " +
		"ms/Center_01/Patient_02/Preprocessed_Data/FLAIR_preprocessed.nii.gz - -"}, lines)
}

func TestMatchByName(t *testing.T) {
	root := t.TempDir()
	composed, apart := "Ren\u00e9", norm.NFD.String("Ren\u00e9")
	touch(t, root, "truth/"+composed+".nii.gz", "truth/x_new.nii.gz", "pred/"+apart+".NII", "pred/x_new.nii.gz")
	lines, unused := match(t, root, Pair{Truth: "truth", Prediction: "pred"})
	require.Equal(t, []string{composed + ": truth/" + composed + ".nii.gz pred/" + apart + ".NII - - - -", "x_new: truth/x_new.nii.gz pred/x_new.nii.gz - - - -"}, lines)
	require.Empty(t, unused)

	fails := func(want string, files ...string) {
		t.Helper()
		root := t.TempDir()
		touch(t, root, files...)
		_, _, _, err := Pair{Truth: filepath.Join(root, "truth"), Prediction: filepath.Join(root, "pred")}.Match()
		require.ErrorContains(t, err, want)
	}
	fails("are both the prediction of a: keep one of them", "truth/a.nii.gz", "pred/a.nii.gz", "pred/a_new.nii.gz")
	fails("have the same name: keep one of them", "truth/a.nii.gz", "pred/a.nii.gz", "pred/a.nii")
	fails("for a", "truth/a.nii.gz", "truth/b.nii.gz", "pred/b.nii.gz", "pred/a_probability.nii.gz")
	fails("no prediction in it (looked for NAME.nii.gz, NAME.nii)", "truth/a.nii.gz", "pred/a.png")
	fails("no truth in it (looked for NAME.nii.gz, NAME.nii, CASE/ground_truth.nii.gz, CASE/new_lesions.nii.gz, CASE/lesions.nii.gz, Center_CASE/Patient_CASE/Masks/Consensus.nii.gz)",
		"truth/a.png", "pred/a.nii")
	fails("is a file and", "truth", "pred/a.nii")
}

func TestFindRaters(t *testing.T) {
	for name, c := range map[string]struct {
		files []string
		names []string
	}{
		"challenge": {[]string{"a/ground_truth_expert1.nii.gz", "a/ground_truth_expert3.NII", "b/ground_truth_expert1.nii.gz", "b/ground_truth_expert3.nii.gz", "notes.txt"},
			[]string{"expert 1", "expert 3"}},
		"by expert": {[]string{"ann/a.nii.gz", "ann/b.nii.gz", "bob/a.nii", "bob/b.nii.gz"}, []string{"ann", "bob"}},
	} {
		root := t.TempDir()
		touch(t, root, c.files...)
		r, err := FindRaters(root)
		require.NoError(t, err, name)
		require.Equal(t, c.names, r.Names)
		require.Equal(t, []string{"a", "b"}, r.Cases)
		require.FileExists(t, r.Path(c.names[1], "b"))
		require.NoError(t, os.Remove(r.Path(c.names[1], "b")))
		_, err = FindRaters(root)
		require.ErrorContains(t, err, "there is none by "+c.names[1]+" of b")
	}
	root := t.TempDir()
	touch(t, root, "Center_01/Patient_01/Masks/ManualSegmentation_1.nii.gz", "Center_01/Patient_01/Masks/ManualSegmentation_2.nii.gz")
	r, err := FindRaters(root)
	require.NoError(t, err)
	require.Equal(t, []string{"Center_01_Patient_01"}, r.Cases)
	_, err = FindRaters(t.TempDir())
	require.ErrorContains(t, err, "masks of 0 raters")
}

func FuzzPairs(f *testing.F) {
	f.Add([]byte("prediction,truth,case\na.nii,b.nii,c\n"))
	f.Add([]byte("\ufefftruth;prediction;members;flair2\n\"a;b\";c;\"d;;e\";f\n"))
	f.Add([]byte("prediction,truth\r\n\"a\"\"b\",c\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := table.Parse(text, pairColumns)
		if err != nil {
			return
		}
		pairs, err := pairsOf(rows, "dir")
		if err != nil {
			require.Nil(t, pairs)
			require.NotContains(t, err.Error(), "\n")
			return
		}
		names := map[string]bool{}
		for _, p := range pairs {
			require.NotEmpty(t, p.Prediction)
			require.NotEmpty(t, p.Truth)
			require.False(t, names[p.Name], p.Name)
			names[p.Name] = true
		}
	})
}
