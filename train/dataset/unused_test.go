package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
)

func nnunet(t *testing.T, json string, files ...string) string {
	root := t.TempDir()
	touch(t, root, files...)
	require.NoError(t, os.WriteFile(filepath.Join(root, "dataset.json"), []byte(json), 0o600))
	return root
}

func reasons(s *Set) (out []string) {
	for _, g := range s.NotUsed() {
		out = append(out, fmt.Sprintf("%v %s", g.Lost, g))
	}
	return out
}

func TestNNUNetNamesWhatItPassesOver(t *testing.T) {
	root := nnunet(t, `{"channel_names":{"0":"FLAIR"},"numTraining":5}`,
		"imagesTr/a_0000.nii.gz", "imagesTr/b_0000.NII.GZ", "imagesTr/c.nii.gz", "imagesTr/d_000.nii.gz", "imagesTr/e_0000.mha", "imagesTr/a_0007.nii",
		"labelsTr/a.nii.gz", "labelsTr/b.Nii.gz", "labelsTr/c.nii.gz", "imagesTs/x_0000.nii.gz", "imagesTr/sub/f_0000.nii.gz", "README.md")
	s, err := Open(root, Options{})
	require.NoError(t, err)
	require.Len(t, s.Cases, 2)
	require.Equal(t, []string{"imagesTr/b_0000.NII.GZ", "labelsTr/b.Nii.gz"}, rel(t, root, s.Cases[1].Times[0], s.Cases[1].Masks[0]))
	require.Equal(t, []string{"one time point: channel 0 (FLAIR)", ownPatients}, s.Notes)
	require.Equal(t, []string{
		"true 1 file (dataset.json names no channel 7): imagesTr/a_0007.nii",
		"true 2 files (its name has no channel of four digits: NAME_0000.nii.gz is meant): imagesTr/c.nii.gz, imagesTr/d_000.nii.gz",
		"true 1 file (MetaImage: only NIfTI (.nii, .nii.gz) is read): imagesTr/e_0000.mha",
		"true 1 file (neither in imagesTr nor in labelsTr): imagesTr/sub/f_0000.nii.gz",
		"true 1 file (a label without an image imagesTr/NAME_0000.nii.gz): labelsTr/c.nii.gz",
		"false 1 file (no image): README.md",
		"false 1 file (test images are not trained on): imagesTs/x_0000.nii.gz",
	}, reasons(s))
	require.ErrorContains(t, s.Complete(), "dataset.json: numTraining is 5, but imagesTr has 2 cases")

	s, err = Open(nnunet(t, `{"channel_names":{"0":"FLAIR"},"numTraining":1}`, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"), Options{})
	require.NoError(t, err)
	require.NoError(t, s.Complete())
	require.Empty(t, s.Unused)

	_, err = Open(nnunet(t, `{"channel_names":{"0":"FLAIR"}}`, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz"), Options{})
	require.ErrorContains(t, err, "imagesTr holds no NAME_0000.nii.gz; there is 1 file (its name has no channel")
}

func TestNNUNetRefusesWhatItSaysOtherwise(t *testing.T) {
	for json, want := range map[string]string{
		`{"channel_names":{"0":"FLAIR"},"file_ending":".png"}`:             `file_ending is ".png"`,
		`{"channel_names":{"0":"FLAIR"},"dataset":{"a":{"images":["x"]}}}`: "lists the files of 1 case itself",
		`{"channel_names":["FLAIR"]}`:                                      "channel_names",
		`{"channel_names":{"00":"FLAIR","0":"T1"}}`:                        "names channel 0 twice",
		`{"channel_names":{"one":"FLAIR"}}`:                                "numbers of channels",
		`{"labels":{}}`:                                                    "names no channels",
		"\xff\xfe{\x00":                                                    "UTF-16",
		`{"channel_names":` + strings.Repeat(`{"a":`, 200000):              "not a dataset.json",
	} {
		_, err := Open(nnunet(t, json, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"), Options{})
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "dataset.json")
		require.Less(t, len(err.Error()), 1000)
	}
	_, err := Open(nnunet(t, "\ufeff"+`{"channel_names":{"0":"FLAIR"}}`, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"), Options{})
	require.NoError(t, err)
}

// Two channels are two time points only where their names may say so.
func TestOtherContrastsAreNoTimePoints(t *testing.T) {
	for _, c := range []struct {
		names  [2]string
		refuse string // "": taken as two time points
		warn   bool
	}{
		{[2]string{"FLAIR", "FLAIR"}, "", false},
		{[2]string{"FLAIR_time01", "FLAIR_time02"}, "", false},
		{[2]string{"T2-FLAIR", "T2w FLAIR follow-up"}, "", false},
		{[2]string{"baseline", "follow-up"}, "", false},
		{[2]string{"FLAIR", "m12"}, "", false},
		{[2]string{"MRI", "MRI"}, "", true},
		{[2]string{"channel0", "channel1"}, "", true},
		{[2]string{"FLAIR", "T1"}, "1 (T1)", false},
		{[2]string{"FLAIR", "T1w"}, "contrasts", false},
		{[2]string{"FLAIR", "t1ce"}, "contrasts", false},
		{[2]string{"FLAIR", "T1KM"}, "contrasts", false},
		{[2]string{"T2 TSE", "FLAIR"}, "channels = [1]", false},
		{[2]string{"FLAIR", "PD"}, "contrasts", false},
		{[2]string{"FLAIR", "DWI_b1000"}, "contrasts", false},
		{[2]string{"FLAIR", "ADC"}, "contrasts", false},
		{[2]string{"FLAIR", "SWI"}, "contrasts", false},
		{[2]string{"T1", "T2"}, "contrasts", false},
		{[2]string{"FLAIR", "post contrast"}, "contrasts", false},
		{[2]string{"FLAIR", "brain mask"}, "contrasts", false},
		{[2]string{"FLAIR", "CT"}, "contrasts", false},
		{[2]string{"FLAIR", "something"}, "do not say that they are two time points", false},
	} {
		root := nnunet(t, fmt.Sprintf(`{"modality":{"0":%q,"1":%q}}`, c.names[0], c.names[1]), "imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "labelsTr/a.nii.gz")
		s, err := Open(root, Options{})
		if c.refuse != "" {
			require.ErrorContains(t, err, c.refuse, "%q", c.names)
			require.ErrorContains(t, err, "--channels")
			s, err = Open(root, Options{Channels: []int{0, 1}}) // who insists is warned
			require.NoError(t, err)
			require.Equal(t, !strings.Contains(c.refuse, "do not say"), len(s.Problems) == 1, "%q", c.names)
			continue
		}
		require.NoError(t, err, "%q", c.names)
		require.Len(t, s.Cases[0].Times, 2)
		require.Equal(t, c.warn, len(s.Problems) == 1, "%q", c.names)
		require.ErrorContains(t, s.Need(1, "task segmenter"), "--channels 0")
	}
	s, err := Open(nnunet(t, `{"modality":{"0":"T1"}}`, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"), Options{})
	require.NoError(t, err)
	require.Contains(t, s.Problems[0].Text, "no FLAIR: 0 (T1)")
	_, err = Open(nnunet(t, `{"modality":{"0":"FLAIR","1":"T1"}}`, "imagesTr/a_0000.nii.gz"), Options{Channels: []int{0, 0}})
	require.ErrorContains(t, err, "both time points")
}

func TestFoldersNameWhatTheyPassOver(t *testing.T) {
	for _, c := range []struct {
		files []string
		want  []string
	}{
		{
			[]string{"p1/flair.NII.GZ", "p1/lesions.nii", "p1/T1.nii.gz", "p1/notes.txt", "p2/FLAIR.nii.gz", "p2/lesions.nii.gz", "p3/flair.mgz", "loose.nii.gz"},
			[]string{
				"true 1 file (not in the folder of a case (*/flair.nii.gz)): loose.nii.gz",
				"true 2 files (its folder has no flair.nii.gz): p2/FLAIR.nii.gz, p2/lesions.nii.gz",
				"true 1 file (FreeSurfer's format: only NIfTI (.nii, .nii.gz) is read): p3/flair.mgz",
				"false 1 file (no file of layout cross-sectional): p1/T1.nii.gz",
				"false 1 file (no image): p1/notes.txt",
			},
		},
		{
			[]string{"p1/flair_time01_on_middle_space.nii.gz", "p1/flair_time02_on_middle_space.nii.gz", "p1/ground_truth.nii.gz", "p1/ground_truth_expert2.nii.gz",
				"p1/Brain_mask.nii.gz"},
			[]string{
				"true 1 file (layout challenge has it as brain_mask.nii.gz): p1/Brain_mask.nii.gz",
				`false 1 file (another choice of the truth than "auto"): p1/ground_truth_expert2.nii.gz`,
			},
		},
		{
			[]string{"training01/preprocessed/training01_01_flair_pp.nii", "training01/preprocessed/training01_01_t2_pp.nii", "training01/masks/training01_01_mask1.nii",
				"training01/masks/training01_02_mask1.nii", "test01/preprocessed/test01_01_flair_pp.nii"},
			[]string{
				"true 1 file (not in the folder of a case (training*/preprocessed/*_flair_pp.nii.gz)): test01/preprocessed/test01_01_flair_pp.nii",
				"true 1 file (a mask without its image): training01/masks/training01_02_mask1.nii",
				"false 1 file (no file of layout isbi2015): training01/preprocessed/training01_01_t2_pp.nii",
			},
		},
		{
			[]string{"Center_01/Patient_01/Preprocessed_Data/FLAIR_preprocessed.nii.gz", "Center_01/Patient_01/Masks/Consensus.nii.gz",
				"Center_01/Patient_01/Preprocessed_Data/T1_preprocessed.nii.gz", "center_02/Patient_01/Preprocessed_Data/FLAIR_preprocessed.nii.gz"},
			[]string{
				"true 1 file (not in the folder of a case (Center_*/Patient_*/Preprocessed_Data/FLAIR_preprocessed.nii.gz)): center_02/Patient_01/Preprocessed_Data/FLAIR_preprocessed.nii.gz",
				"false 1 file (no file of layout msseg2016): Center_01/Patient_01/Preprocessed_Data/T1_preprocessed.nii.gz",
			},
		},
	} {
		root := t.TempDir()
		touch(t, root, c.files...)
		s, err := Open(root, Options{})
		require.NoError(t, err)
		require.NoError(t, s.Complete())
		require.Equal(t, c.want, reasons(s))
	}
}

func TestCasesThatAreReadOtherwiseAreToldOf(t *testing.T) {
	root := t.TempDir()
	for _, c := range []string{"a", "b", "c"} {
		touch(t, root, c+"/flair_time01_on_middle_space.nii", c+"/flair_time02_on_middle_space.nii", c+"/ground_truth_expert1.nii")
	}
	touch(t, root, "a/ground_truth.nii", "b/ground_truth_expert2.nii", "c/brain_mask.nii")
	s, err := Open(root, Options{})
	require.NoError(t, err)
	require.Len(t, s.Problems, 2)
	require.Contains(t, s.Problems[0].Text, "the truth is not made alike in all cases: one mask (2 cases: a, c); the majority of 2 raters (1 case: b)")
	require.Contains(t, s.Problems[1].Text, "not all cases have a brain mask: a brain mask (1 case: c); no brain mask: training takes them as skull-stripped (2 cases: a, b)")
	for _, p := range s.Problems {
		require.Equal(t, Caution, p.Level)
	}

	root = nnunet(t, `{"modality":{"0":"FLAIR"},"labels":{"0":"background","1":"lesion","2":"new lesion"},"training":[{"image":"./imagesTr/a.nii.gz"},{"image":"./imagesTr/b.nii.gz"}]}`,
		"imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz")
	s, err = Open(root, Options{})
	require.NoError(t, err)
	require.Contains(t, s.Problems[0].Text, "it names several labels, lesion, new lesion")
	require.Contains(t, s.Problems[1].Text, "has 1 image that imagesTr has not: ./imagesTr/b.nii.gz")
	s, err = Open(nnunet(t, `{"channel_names":{"0":"FLAIR"},"labels":{"background":0,"lesion":1,"ignore":2}}`, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"), Options{})
	require.NoError(t, err)
	require.Empty(t, s.Problems)
}

func TestFilesOfOneNameAreToldOnce(t *testing.T) {
	root := t.TempDir()
	for n := range 30 {
		touch(t, root, fmt.Sprintf("p%02d/flair.nii", n), fmt.Sprintf("p%02d/lesions.nii", n), fmt.Sprintf("p%02d/t1.nii", n), fmt.Sprintf("p%02d/t2.nii", n))
	}
	s, err := Open(root, Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"false 60 files (no file of layout cross-sectional): t1.nii (30 times), t2.nii (30 times)"}, reasons(s))
	require.Len(t, s.Unused, 60)
}

func TestTwoFilesOfOneNameAreRefused(t *testing.T) {
	root := t.TempDir()
	touch(t, root, "p1/flair.nii.gz", "p1/flair.nii", "p1/lesions.nii.gz")
	_, err := Open(root, Options{})
	require.ErrorContains(t, err, "have the same name: keep one of them")
	_, err = Open(nnunet(t, `{"modality":{"0":"FLAIR"}}`, "imagesTr/a_0000.nii.gz", "imagesTr/a_0000.NII", "labelsTr/a.nii.gz"), Options{})
	require.ErrorContains(t, err, "have the same name: keep one of them")
}

// A Mac writes é as e and an accent; a table or another file has it in one character.
func TestAccentsMatchInEitherForm(t *testing.T) {
	const name = "Ren\u00e9 M\u00fcller" // composed
	apart := norm.NFD.String(name)
	require.NotEqual(t, name, apart)
	root := nnunet(t, `{"modality":{"0":"FLAIR"}}`, "imagesTr/"+apart+"_0000.nii.gz", "labelsTr/"+name+".nii.gz")
	s, err := Open(root, Options{})
	require.NoError(t, err)
	require.NoError(t, s.Complete())
	require.Equal(t, name, s.Cases[0].ID)
	require.Empty(t, s.Unused)

	root = t.TempDir()
	touch(t, root, apart+"/"+name+".nii.gz", apart+"/m.nii.gz")
	table := filepath.Join(root, "cases.csv")
	require.NoError(t, os.WriteFile(table, []byte("case;flair;mask\n"+name+";"+name+"/"+apart+".nii.gz;"+name+"/m.nii.gz\n"), 0o600))
	s, err = Open(table, Options{})
	require.NoError(t, err)
	require.NoError(t, s.Complete())
	require.Equal(t, []string{apart + "/" + name + ".nii.gz", apart + "/m.nii.gz"}, rel(t, root, s.Cases[0].Times[0], s.Cases[0].Masks[0]))
}

func TestNamesOfCases(t *testing.T) {
	root := t.TempDir()
	touch(t, root, "f.nii", "g.nii", "m.nii")
	file := filepath.Join(root, "t.csv")
	open := func(rows ...string) (*Set, error) {
		require.NoError(t, os.WriteFile(file, []byte("case,flair,mask\n"+strings.Join(rows, "\n")), 0o600))
		return Open(file, Options{})
	}
	s, err := open("#1,f.nii,m.nii", "#2,g.nii,m.nii")
	require.NoError(t, err)
	require.Equal(t, []string{"#1", "#2"}, s.Patients())
	require.Equal(t, []string{ownPatients}, s.Notes)
	_, err = open(strings.Repeat("x", 240) + ",f.nii,m.nii")
	require.ErrorContains(t, err, "240 bytes")
	_, err = open("a\x1b[31m,f.nii,m.nii", "a\x1b[31m,g.nii,m.nii")
	require.ErrorContains(t, err, "two cases")
	require.NotContains(t, err.Error(), "\x1b")
	s, err = open("a,f.nii,m.nii", "b,f.nii,m.nii")
	require.NoError(t, err)
	require.Contains(t, s.Problems[0].Text, "cases a and b have the same image")
}
