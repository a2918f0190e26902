package dataset

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
)

var nnunetImage = regexp.MustCompile(`^(.+)_(\d{4})\.nii(\.gz)?$`)

// findNNUNet lists nnU-Net's raw layout. A channel is a time point; each case is
// a patient of its own, as the layout does not say otherwise.
func findNNUNet(root string, opt Options) ([]Case, error) {
	file := filepath.Join(root, "dataset.json")
	raw, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", root, err)
	}
	var info struct {
		ChannelNames map[string]string `json:"channel_names"`
		Modality     map[string]string `json:"modality"` // the older name
	}
	if err := json.Unmarshal(raw, &info); err != nil {
		return nil, fmt.Errorf("%s: not a dataset.json of nnU-Net: %w", file, err)
	}
	names := info.ChannelNames
	if names == nil {
		names = info.Modality
	}
	channels, err := nnunetChannels(file, names, opt.Channels)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(root, "imagesTr"))
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", root, err)
	}
	files := map[string]map[int]string{} // case → channel → path
	for _, e := range entries {
		if m := nnunetImage.FindStringSubmatch(e.Name()); m != nil {
			ch, _ := strconv.Atoi(m[2])
			if files[m[1]] == nil {
				files[m[1]] = map[int]string{}
			}
			files[m[1]][ch] = filepath.Join(root, "imagesTr", e.Name())
		}
	}
	var cases []Case
	for id, byChannel := range files {
		c := Case{ID: id, Patient: id}
		for _, ch := range channels {
			if p, ok := byChannel[ch]; ok {
				c.Times = append(c.Times, p)
			} else {
				c.Missing = append(c.Missing, fmt.Sprintf("imagesTr/%s_%04d.nii.gz", id, ch))
			}
		}
		mask, _ := nifti(filepath.Join(root, "labelsTr", id))
		chooseTruth(&c, opt.Truth, mask, nil, "labelsTr/"+id+".nii.gz")
		cases = append(cases, c)
	}
	sort.Slice(cases, func(i, j int) bool { return cases[i].ID < cases[j].ID })
	if len(cases) == 0 {
		return nil, fmt.Errorf("data set %s: imagesTr holds no NAME_0000.nii.gz", root)
	}
	return cases, nil
}

// nnunetChannels is the channels to use as time points.
func nnunetChannels(file string, names map[string]string, wanted []int) ([]int, error) {
	var all []int
	for k := range names {
		n, err := strconv.Atoi(k)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%s: channel_names has the key %q; keys are channel numbers", file, k)
		}
		all = append(all, n)
	}
	slices.Sort(all)
	if len(wanted) > 0 {
		if len(wanted) > 2 {
			return nil, fmt.Errorf("channels %v: want one or two, the time points", wanted)
		}
		for _, w := range wanted {
			if len(all) > 0 && !slices.Contains(all, w) {
				return nil, fmt.Errorf("%s: there is no channel %d; it names %v", file, w, names)
			}
		}
		return wanted, nil
	}
	switch len(all) {
	case 1, 2:
		return all, nil
	case 0:
		return nil, fmt.Errorf("%s: names no channels (channel_names)", file)
	}
	return nil, fmt.Errorf("%s: has %d channels %v; say with the channels option which one is the FLAIR, or which two are its time points", file, len(all), names)
}
