package dataset

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/table"
)

// touch makes empty files; Open looks at names only.
func touch(t testing.TB, root string, names ...string) {
	for _, n := range names {
		p := filepath.Join(root, n)
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o777))
		require.NoError(t, os.WriteFile(p, nil, 0o666))
	}
}

func rel(t *testing.T, root string, paths ...string) []string {
	var out []string
	for _, p := range paths {
		r, err := filepath.Rel(root, p)
		require.NoError(t, err)
		out = append(out, filepath.ToSlash(r))
	}
	return out
}

func TestChallenge(t *testing.T) {
	root := t.TempDir()
	touch(t, root,
		"013/flair_time01_on_middle_space.nii.gz", "013/flair_time02_on_middle_space.nii.gz", "013/ground_truth.nii.gz",
		"013/ground_truth_expert1.nii.gz", "013/ground_truth_expert2.nii.gz", "013/brain_mask.nii.gz",
		"002/flair_time01_on_middle_space.nii", "002/flair_time02_on_middle_space.nii.gz",
		"002/ground_truth_expert1.nii.gz", "002/ground_truth_expert3.nii.gz", "002/ground_truth_expert4.nii.gz",
		"README/notes.txt", ".hidden/flair_time01_on_middle_space.nii.gz")
	s, err := Open(root, Options{})
	require.NoError(t, err)
	require.Equal(t, "challenge", s.Layout)
	require.NoError(t, s.Complete())
	require.Len(t, s.Cases, 2)
	require.Equal(t, "002", s.Cases[0].ID)
	require.Equal(t, []string{"002/ground_truth_expert1.nii.gz", "002/ground_truth_expert3.nii.gz", "002/ground_truth_expert4.nii.gz"}, rel(t, root, s.Cases[0].Masks...))
	require.Equal(t, Majority, s.Cases[0].Merge)
	require.Empty(t, s.Cases[0].Brain)
	require.Equal(t, []string{"013/ground_truth.nii.gz"}, rel(t, root, s.Cases[1].Masks...))
	require.Equal(t, []string{"013/flair_time01_on_middle_space.nii.gz", "013/flair_time02_on_middle_space.nii.gz"}, rel(t, root, s.Cases[1].Times...))
	require.Equal(t, "013/brain_mask.nii.gz", rel(t, root, s.Cases[1].Brain)[0])
	n, err := s.TimePoints()
	require.NoError(t, err)
	require.Equal(t, 2, n)

	for truth, want := range map[string][]string{
		"consensus": {"013/ground_truth.nii.gz"},
		"majority":  {"013/ground_truth_expert1.nii.gz", "013/ground_truth_expert2.nii.gz"},
		"rater2":    {"013/ground_truth_expert2.nii.gz"},
	} {
		s, err := Open(root, Options{Truth: truth})
		require.NoError(t, err)
		require.Equal(t, want, rel(t, root, s.Cases[1].Masks...), truth)
	}
	s, err = Open(root, Options{Truth: "rater2"})
	require.NoError(t, err)
	require.ErrorContains(t, s.Complete(), `002: lesion mask for truth = "rater2"`)
}

func TestMissingSecondTimePointIsReported(t *testing.T) {
	root := t.TempDir()
	touch(t, root, "a/flair_time01_on_middle_space.nii.gz", "a/ground_truth.nii.gz")
	s, err := Open(root, Options{})
	require.NoError(t, err)
	err = s.Complete()
	require.ErrorContains(t, err, "a: a/flair_time02_on_middle_space.nii.gz")
}

func TestLongitudinalAndCrossSectional(t *testing.T) {
	root := t.TempDir()
	touch(t, root, "p1/flair_time01.nii.gz", "p1/flair_time02.nii.gz", "p1/new_lesions.nii.gz", "p1/brainmask.nii.gz")
	s, err := Open(root, Options{})
	require.NoError(t, err)
	require.Equal(t, "longitudinal", s.Layout)
	require.NoError(t, s.Complete())

	root = t.TempDir()
	touch(t, root, "p1/flair.nii.gz", "p1/lesions.nii.gz")
	s, err = Open(root, Options{})
	require.NoError(t, err)
	require.Equal(t, "cross-sectional", s.Layout)
}

func TestISBI(t *testing.T) {
	root := t.TempDir()
	touch(t, root,
		"training01/preprocessed/training01_01_flair_pp.nii", "training01/preprocessed/training01_01_t2_pp.nii",
		"training01/preprocessed/training01_02_flair_pp.nii",
		"training01/masks/training01_01_mask1.nii", "training01/masks/training01_01_mask2.nii",
		"training01/masks/training01_02_mask1.nii", "training01/masks/training01_02_mask2.nii",
		"training02/preprocessed/training02_01_flair_pp.nii", "training02/masks/training02_01_mask2.nii")
	s, err := Open(root, Options{})
	require.NoError(t, err)
	require.Equal(t, "isbi2015", s.Layout)
	require.Len(t, s.Cases, 3)
	require.Equal(t, "training01_02", s.Cases[1].ID)
	require.Equal(t, "training01", s.Cases[1].Patient)
	require.Equal(t, []string{"training01", "training02"}, s.Patients())
	require.Len(t, s.Cases[0].Masks, 2)
	require.Len(t, s.Cases[2].Masks, 1)
	require.NoError(t, s.Complete())
}

func TestMSSEG2016(t *testing.T) {
	root := t.TempDir()
	touch(t, root, "Center_01/Patient_02/Preprocessed_Data/FLAIR_preprocessed.nii.gz", "Center_01/Patient_02/Masks/Consensus.nii.gz",
		"Center_01/Patient_02/Masks/ManualSegmentation_7.nii.gz",
		"Center_07/Patient_02/Preprocessed_Data/FLAIR_preprocessed.nii.gz", "Center_07/Patient_02/Masks/Brain_Mask.nii.gz")
	s, err := Open(root, Options{})
	require.NoError(t, err)
	require.Equal(t, "msseg2016", s.Layout)
	require.Equal(t, []string{"Center_01_Patient_02", "Center_07_Patient_02"}, s.Patients())
	require.ErrorContains(t, s.Complete(), "Center_07_Patient_02: lesion mask (looked for Center_07/Patient_02/Masks/Consensus.nii.gz or Masks/ManualSegmentation_{1..7}.nii.gz)")
}

func TestNNUNet(t *testing.T) {
	root := t.TempDir()
	touch(t, root, "imagesTr/ms_001_0000.nii.gz", "imagesTr/ms_001_0001.nii.gz", "labelsTr/ms_001.nii.gz",
		"imagesTr/ms_002_0000.nii.gz", "labelsTr/ms_002.nii.gz")
	write := func(text string) {
		require.NoError(t, os.WriteFile(filepath.Join(root, "dataset.json"), []byte(text), 0o666))
	}
	write(`{"channel_names":{"0":"FLAIR1","1":"FLAIR2"},"labels":{"background":0,"lesion":1},"file_ending":".nii.gz"}`)
	s, err := Open(root, Options{})
	require.NoError(t, err)
	require.Equal(t, "nnunet", s.Layout)
	require.Len(t, s.Cases[0].Times, 2)
	require.ErrorContains(t, s.Complete(), "ms_002: imagesTr/ms_002_0001.nii.gz")

	s, err = Open(root, Options{Channels: []int{0}})
	require.NoError(t, err)
	require.NoError(t, s.Complete())
	n, err := s.TimePoints()
	require.NoError(t, err)
	require.Equal(t, 1, n)

	write(`{"modality":{"0":"T1","1":"T2","2":"FLAIR"}}`)
	_, err = Open(root, Options{})
	require.ErrorContains(t, err, "3 channels, 0 (T1), 1 (T2) and 2 (FLAIR); say with --channels (channels = [2] in a configuration)")
	_, err = Open(root, Options{Channels: []int{5}})
	require.ErrorContains(t, err, "no channel 5")
	write(`{"modality":`)
	_, err = Open(root, Options{})
	require.ErrorContains(t, err, "dataset.json")
}

func TestCSV(t *testing.T) {
	root := t.TempDir()
	touch(t, root, "a1.nii.gz", "a2.nii.gz", "am.nii.gz", "bm1.nii", "bm2.nii", "b1.nii")
	table := filepath.Join(root, "cases.csv")
	write := func(text string) {
		require.NoError(t, os.WriteFile(table, []byte(text), 0o666))
	}
	write("case, patient, time1, time2, mask, brainmask\n,,,,,\nA, P, a1.nii.gz, a2.nii.gz, am.nii.gz,\nB, , b1.nii, a2.nii.gz, bm1.nii; bm2.nii, gone.nii\n")
	for _, open := range []string{root, table} {
		s, err := Open(open, Options{})
		require.NoError(t, err)
		require.Equal(t, "csv", s.Layout)
		require.Equal(t, "P", s.Cases[0].Patient)
		require.Equal(t, "B", s.Cases[1].Patient)
		require.Len(t, s.Cases[1].Masks, 2)
		require.ErrorContains(t, s.Complete(), "B: "+filepath.Join(root, "gone.nii"))
	}
	for text, want := range map[string]string{
		"":                                      "empty",
		"case,flair,mask\n# no comment\n":       "line 2 has 1 column",
		"case,mask\nA,am.nii.gz\n":              "time1",
		"case,flair,mask,colour\n":              "colour",
		"case,flair,mask\n":                     "no rows",
		"case,flair,time1,mask\n":               "two columns",
		"case,flair,mask\n,a1.nii.gz,am\n":      "line 2",
		"case,flair,mask\nA,a1.nii.gz\n":        "line 2",
		"case,flair,mask\nA,,am.nii.gz\n":       "names no image",
		"case,flair,mask\nA,x,x\nA,y,y\n":       "two cases",
		"case,flair,mask\nA,\"a1.nii.gz,am\n\n": "line",
	} {
		write(text)
		_, err := Open(table, Options{})
		require.ErrorContains(t, err, want, "%q", text)
		require.ErrorContains(t, err, root)
	}
}

func TestUnknownLayoutListsWhatWasLookedFor(t *testing.T) {
	root := t.TempDir()
	touch(t, root, "sub/some.nii.gz")
	_, err := Open(root, Options{})
	for _, l := range Layouts() {
		require.ErrorContains(t, err, l)
	}
	require.ErrorContains(t, err, "flair_time01_on_middle_space.nii.gz")
	require.ErrorContains(t, err, root)
	_, err = Open(filepath.Join(root, "none"), Options{})
	require.ErrorContains(t, err, "none")
	_, err = Open(root, Options{Layout: "zip"})
	require.ErrorContains(t, err, `unknown layout "zip"`)
	_, err = Open(t.TempDir(), Options{Layout: "nnunett"})
	require.ErrorContains(t, err, "; did you mean nnunet?")
	_, err = Open(root, Options{Layout: "challenge"})
	require.ErrorContains(t, err, "no case in layout challenge")
	touch(t, root, "p/flair.nii")
	_, err = Open(root, Options{Channels: []int{0}})
	require.ErrorContains(t, err, "layout cross-sectional has no channels")
	_, err = Open(root, Options{Truth: "best"})
	require.ErrorContains(t, err, `truth "best"`)
}

func TestTwoLayoutsAtOnceAreRefused(t *testing.T) {
	root := t.TempDir()
	touch(t, root, "a/flair.nii.gz", "b/flair_time01.nii.gz")
	_, err := Open(root, Options{})
	require.ErrorContains(t, err, "longitudinal, cross-sectional")
	s, err := Open(root, Options{Layout: "cross-sectional"})
	require.NoError(t, err)
	require.Len(t, s.Cases, 1)
}

func TestMixedTimePointsAreRefused(t *testing.T) {
	s := &Set{Root: "x", Cases: []Case{{ID: "a", Times: []string{"1"}}, {ID: "b", Times: []string{"1", "2"}}}}
	_, err := s.TimePoints()
	require.ErrorContains(t, err, "case b has 2 time points but a has 1")
}

func TestKFold(t *testing.T) {
	s := &Set{Root: "x"}
	for _, id := range strings.Split("a1 a2 b1 c1 c2 c3 d1 e1 f1 g1", " ") {
		s.Cases = append(s.Cases, Case{ID: id, Patient: id[:1]})
	}
	for _, folds := range []int{2, 3, 7} {
		count := make([]int, len(s.Cases))
		for fold := range folds {
			sp, err := s.KFold(5, folds, fold)
			require.NoError(t, err)
			require.Len(t, sp.Train, len(s.Cases)-len(sp.Valid))
			side := map[string]string{}
			for _, i := range sp.Train {
				side[s.Cases[i].Patient] = "train"
			}
			for _, i := range sp.Valid {
				count[i]++
				require.NotEqual(t, "train", side[s.Cases[i].Patient])
			}
			again, err := s.KFold(5, folds, fold)
			require.NoError(t, err)
			require.Equal(t, sp, again)
		}
		for _, n := range count {
			require.Equal(t, 1, n)
		}
	}
	other := 0
	for seed := range uint64(10) {
		a, _ := s.KFold(5, 3, 0)
		b, _ := s.KFold(seed+6, 3, 0)
		if len(a.Valid) != len(b.Valid) || a.Valid[0] != b.Valid[0] {
			other++
		}
	}
	require.Positive(t, other, "the seed changes the split")

	all, err := s.KFold(1, 1, 0)
	require.NoError(t, err)
	require.Equal(t, all.Train, all.Valid)
	_, err = s.KFold(1, 8, 0)
	require.ErrorContains(t, err, "7 patients")
	_, err = s.KFold(1, 3, 3)
	require.ErrorContains(t, err, "fold 3")
	_, err = s.KFold(1, 0, 0)
	require.Error(t, err)
}

func FuzzTable(f *testing.F) {
	f.Add([]byte("case,patient,time1,time2,mask,brainmask\nA,P,a,b,c;d,e\n"))
	f.Add([]byte("\ufeffcase,flair,mask\n\"A\",\"x\ny\",;\n"))
	f.Add([]byte("case;flair;mask\r\nA;x;\"m;n\"\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := table.Parse(text, setColumns)
		if err != nil {
			return
		}
		cases, err := casesOf(rows, t.TempDir(), Options{})
		if err != nil {
			return
		}
		if len(cases) == 0 {
			t.Fatal("no cases and no error")
		}
		for _, c := range cases {
			if c.ID == "" || c.Patient == "" || len(c.Times) == 0 {
				t.Fatalf("incomplete case %+v", c)
			}
		}
	})
}

func FuzzDatasetFile(f *testing.F) {
	f.Add([]byte(`{"channel_names":{"0":"FLAIR","1":"T1"},"numTraining":5,"file_ending":".nii.gz","labels":{"background":0}}`))
	f.Add([]byte("\ufeff{\"modality\":{\"0000\":\"FLAIR_t0\",\"0001\":\"FLAIR_t1\"}}"))
	f.Add([]byte(`{"modality":` + strings.Repeat("[", 5000)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := parseDatasetFile(raw)
		if err != nil {
			return
		}
		names, err := d.channels()
		if err != nil {
			return
		}
		for _, wanted := range [][]int{nil, {0}, {0, 1}} {
			channels, _, err := chooseChannels(names, wanted)
			if err != nil {
				continue
			}
			if len(channels) < 1 || len(channels) > 2 {
				t.Fatalf("%v of %v", channels, names)
			}
			channelNote(names, channels)
		}
	})
}
