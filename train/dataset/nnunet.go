package dataset

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"voxgrad/internal/infile"
	"voxgrad/internal/strictjson"
	"voxgrad/internal/text"
	"voxgrad/volume"
)

// datasetFile is what nnU-Net's dataset.json says, as far as it is read here.
type datasetFile struct {
	ChannelNames map[string]string `json:"channel_names"`
	Modality     map[string]string `json:"modality"` // the older name
	NumTraining  *int              `json:"numTraining"`
	FileEnding   string            `json:"file_ending"`
	Dataset      map[string]any    `json:"dataset"`  // lists files outside imagesTr
	Labels       any               `json:"labels"`   // name → number, or number → name
	Training     any               `json:"training"` // of the older form: a list of {image, label}
}

const (
	maxDatasetFile = 16 << 20 // bytes
	maxChannels    = 1000
)

// readDatasetFile reads a dataset.json; nil where there is none.
func readDatasetFile(file string) (*datasetFile, error) {
	raw, err := infile.Read(file, maxDatasetFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d, err := parseDatasetFile(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: not a dataset.json of nnU-Net: %w", file, err)
	}
	return d, nil
}

func parseDatasetFile(raw []byte) (*datasetFile, error) {
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	if bytes.HasPrefix(raw, []byte{0xff, 0xfe}) || bytes.HasPrefix(raw, []byte{0xfe, 0xff}) {
		return nil, errors.New("the file is UTF-16; save it in UTF-8")
	}
	var d datasetFile
	if err := (strictjson.Decoder{Foreign: true}).Decode(raw, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

// channels are the names of the channels by number.
func (d *datasetFile) channels() (map[int]string, error) {
	names, key := d.ChannelNames, "channel_names"
	if names == nil {
		names, key = d.Modality, "modality"
	}
	out := map[int]string{}
	for k, name := range names {
		n, err := strconv.Atoi(k)
		if err != nil || n < 0 || n >= maxChannels {
			return nil, fmt.Errorf("%s has the key \"%s\"; keys are the numbers of channels", key, text.Clean(k))
		}
		if other, twice := out[n]; twice {
			return nil, fmt.Errorf("%s names channel %d twice: \"%s\" and \"%s\"", key, n, text.Clean(other), text.Clean(name))
		}
		out[n] = name
	}
	if len(out) == 0 {
		return nil, errors.New("it names no channels (channel_names)")
	}
	return out, nil
}

// lesionLabels are the names of the labels that are not background.
func (d *datasetFile) lesionLabels() (names []string) {
	labels, _ := d.Labels.(map[string]any)
	for k, v := range labels {
		name, number := k, fmt.Sprint(v)
		if _, err := strconv.Atoi(k); err == nil {
			name, number = number, k
		}
		if number != "0" && !strings.EqualFold(name, "ignore") {
			names = append(names, text.Clean(name))
		}
	}
	slices.Sort(names)
	return names
}

// notThere are the images of the file's own list that are none of the cases.
func (d *datasetFile) notThere(cases map[string]bool) (missing []string) {
	training, _ := d.Training.([]any)
	for _, t := range training {
		entry, _ := t.(map[string]any)
		image, _ := entry["image"].(string)
		name := norm.NFC.String(stem(image))
		without, _, _ := cutChannel(name)
		if image != "" && !cases[name] && !cases[without] {
			missing = append(missing, text.Clean(image))
		}
	}
	return missing
}

// nnunetImage splits a name without ending: the case, and the channel's four digits.
var nnunetImage = regexp.MustCompile(`^(.+)_(\d{4})$`)

// findNNUNet lists nnU-Net's raw layout. A channel is a time point; each case is
// a patient of its own, as the layout does not say otherwise.
func findNNUNet(root *folder, opt Options, s *Set) error {
	file := filepath.Join(root.root, "dataset.json")
	info, err := readDatasetFile(file)
	if err != nil || info == nil {
		return err
	}
	if len(info.Dataset) > 0 {
		return fmt.Errorf(`%s: it lists the files of %s itself (key "dataset"), which is not read: make a table of them (layout csv)`, file, text.Plural(len(info.Dataset), "case"))
	}
	if e := info.FileEnding; e != "" && !volume.IsImageName("x"+e) {
		return fmt.Errorf("%s: file_ending is \"%s\": only NIfTI (.nii, .nii.gz) is read", file, text.Clean(e))
	}
	names, err := info.channels()
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	channels, cautions, err := chooseChannels(names, opt.Channels)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, c := range cautions {
		s.Problems = append(s.Problems, Problem{Level: Caution, Text: file + ": " + c})
	}
	s.Notes = append(s.Notes, channelNote(names, channels), ownPatients)

	images := root.list("imagesTr")
	if images.err != nil {
		return fmt.Errorf("data set %s: %w", root.root, images.err)
	}
	found := map[string]bool{}
	for name := range images.images {
		if m := nnunetImage.FindStringSubmatch(name); m != nil {
			found[m[1]] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		c := Case{ID: id, Patient: id}
		for _, ch := range channels {
			rel := fmt.Sprintf("imagesTr/%s_%04d", id, ch)
			p, err := root.image(rel)
			if err != nil {
				return err
			}
			if p != "" {
				c.Times = append(c.Times, p)
			} else {
				c.Missing = append(c.Missing, rel+".nii.gz")
			}
		}
		mask, err := root.image("labelsTr/" + id)
		if err != nil {
			return err
		}
		chooseTruth(&c, opt.Truth, mask, nil, "labelsTr/"+id+".nii.gz")
		root.use(c)
		s.Cases = append(s.Cases, c)
	}
	root.used["dataset.json"] = true
	s.Unused = root.unused(func(rel string) (string, bool) { return whyUnusedNNUNet(rel, found, names) })
	if len(s.Cases) == 0 {
		reason := ""
		if groups := s.NotUsed(); len(groups) > 0 {
			reason = "; there is " + groups[0].String()
		}
		return fmt.Errorf("data set %s: imagesTr holds no NAME_0000.nii.gz%s", root.root, reason)
	}
	if names := info.lesionLabels(); len(names) > 1 {
		s.Problems = append(s.Problems, Problem{Level: Caution, Text: fmt.Sprintf("%s: it names several labels, %s: a mask with more than one of them is refused, and any one of them alone is taken as lesion", file, list(names))})
	}
	if missing := info.notThere(found); len(missing) > 0 {
		s.Problems = append(s.Problems, Problem{Level: Caution, Text: fmt.Sprintf("%s: its list of training cases has %s that imagesTr has not: %s", file, text.Plural(len(missing), "image"), list(missing))})
	}
	if n := info.NumTraining; n != nil && *n != len(s.Cases) {
		s.Problems = append(s.Problems, Problem{Level: Error, Text: fmt.Sprintf(
			"%s: numTraining is %d, but imagesTr has %s: name the missing images NAME_0000.nii.gz, or correct numTraining (voxgrad data check names what is passed over)",
			file, *n, text.Plural(len(s.Cases), "case"))})
	}
	return nil
}

// whyUnusedNNUNet is why no case is made of a file; cases holds their names.
func whyUnusedNNUNet(rel string, cases map[string]bool, channels map[int]string) (reason string, lost bool) {
	dir, _, _ := strings.Cut(rel, "/")
	within := dir == "imagesTr" || dir == "labelsTr"
	if reason := noImage(rel); reason != "" {
		return reason, within && reason != noImageAtAll
	}
	if dir == "imagesTs" || dir == "labelsTs" {
		return "test images are not trained on", false
	}
	if path.Dir(rel) != dir || !within {
		return "neither in imagesTr nor in labelsTr", true
	}
	name := norm.NFC.String(stem(rel))
	if dir == "labelsTr" {
		return fmt.Sprintf("a label without an image imagesTr/NAME_%04d.nii.gz", slices.Min(slices.Collect(maps.Keys(channels)))), true
	}
	m := nnunetImage.FindStringSubmatch(name)
	if m == nil {
		return "its name has no channel of four digits: NAME_0000.nii.gz is meant", true
	}
	ch, _ := strconv.Atoi(m[2])
	if named, ok := channels[ch]; ok {
		return fmt.Sprintf("channel %d (%s) is not taken as a time point", ch, text.Clean(named)), false
	}
	return fmt.Sprintf("dataset.json names no channel %d", ch), true
}

// chooseChannels is the channels that are the time points: those wanted, or all if
// their names may be those of time points.
func chooseChannels(names map[int]string, wanted []int) (channels []int, cautions []string, err error) {
	all := slices.Sorted(maps.Keys(names))
	if len(wanted) > 0 {
		if len(wanted) > 2 {
			return nil, nil, fmt.Errorf("channels %v: one or two are possible, the time points", wanted)
		}
		for n, w := range wanted {
			if _, ok := names[w]; !ok {
				return nil, nil, fmt.Errorf("there is no channel %d; it names %s", w, channelNames(names, all))
			}
			if n > 0 && w == wanted[0] {
				return nil, nil, fmt.Errorf("channel %d is wanted as both time points", w)
			}
		}
		if kinds := contrasts(names, wanted); len(kinds) > 0 {
			cautions = append(cautions, fmt.Sprintf("by their names these channels are no FLAIR: %s; they are taken as the channels option says", channelNames(names, kinds)))
		}
		return wanted, cautions, nil
	}
	say := fmt.Sprintf("say with --channels (channels = [%d] in a configuration) which one is the FLAIR, or which two are its time points", flairOf(names, all))
	kinds := contrasts(names, all)
	switch {
	case len(all) > 2:
		return nil, nil, fmt.Errorf("it has %d channels, %s; %s", len(all), channelNames(names, all), say)
	case len(all) == 1 && len(kinds) == 1:
		return all, []string{fmt.Sprintf("by its name the only channel is no FLAIR: %s", channelNames(names, all))}, nil
	case len(all) == 1:
		return all, nil, nil
	case len(kinds) > 0:
		return nil, nil, fmt.Errorf("channels %s are contrasts of one time point, not two time points; %s", channelNames(names, all), say)
	}
	a, b := names[all[0]], names[all[1]]
	switch {
	case saysTime(a) && saysTime(b):
	case sameButNumber(a, b):
		cautions = []string{fmt.Sprintf("channels %s are taken as two time points of the FLAIR, which their names do not say", channelNames(names, all))}
	default:
		return nil, nil, fmt.Errorf("channels %s: their names do not say that they are two time points; %s", channelNames(names, all), say)
	}
	return all, cautions, nil
}

// flairOf is the first channel that is called FLAIR, else the first.
func flairOf(names map[int]string, all []int) int {
	for _, n := range all {
		if strings.Contains(strings.ToLower(names[n]), "flair") {
			return n
		}
	}
	return all[0]
}

// Words of channels' names.
var (
	words   = regexp.MustCompile(`\pL+|\d+`) // letters and digits apart
	letters = regexp.MustCompile(`\pL+`)

	// weighted finds T1, T2w, t1ce, T2-weighted.
	weighted = regexp.MustCompile(`(^|[^\pL\d])t[12]($|\D)`)

	otherContrast = []string{"pd", "dp", "pdw", "dwi", "adc", "swi", "dir", "psir", "mprage", "gre", "stir", "gado", "gadolinium", "contrast", "gd", "ct", "pet",
		"dti", "fa", "md", "asl", "cbf", "cbv", "mtr", "qsm", "bold", "mask", "brain", "brainmask", "seg", "segmentation", "label", "labels", "lesion", "lesions",
		"probability", "phase"}
	timeWords = []string{"time", "timepoint", "tp", "visit", "session", "ses", "baseline", "bl", "followup", "follow", "fu", "before", "after",
		"first", "second", "month", "m", "year", "y", "week", "w", "day", "d"}
)

// contrasts are the channels whose names say that they are no FLAIR.
func contrasts(names map[int]string, channels []int) (out []int) {
	for _, n := range channels {
		name := strings.ToLower(names[n])
		if !strings.Contains(name, "flair") && (weighted.MatchString(name) || hasWord(name, otherContrast)) {
			out = append(out, n)
		}
	}
	return out
}

func hasWord(name string, of []string) bool {
	return slices.ContainsFunc(words.FindAllString(strings.ToLower(name), -1), func(w string) bool { return slices.Contains(of, w) })
}

// saysTime reports whether a name is one of the FLAIR or of a time point.
func saysTime(name string) bool {
	return strings.Contains(strings.ToLower(name), "flair") || hasWord(name, timeWords)
}

// sameButNumber reports whether two names are the same but for a number.
func sameButNumber(a, b string) bool {
	without := func(s string) string { return strings.Join(letters.FindAllString(strings.ToLower(s), -1), " ") }
	return without(a) == without(b)
}

// channelNames lists channels with their names: 0 (FLAIR) and 1 (T1).
func channelNames(names map[int]string, channels []int) string {
	var parts []string
	for _, n := range channels {
		parts = append(parts, fmt.Sprintf("%d (%s)", n, cmp.Or(text.Clean(names[n]), "no name")))
	}
	if len(parts) > 12 {
		parts = append(parts[:12], fmt.Sprintf("%d more", len(parts)-12))
	}
	last := len(parts) - 1
	if last == 0 {
		return parts[0]
	}
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}

func channelNote(names map[int]string, channels []int) string {
	if len(channels) == 1 {
		return "one time point: channel " + channelNames(names, channels)
	}
	return fmt.Sprintf("time points: channel %s, then channel %s", channelNames(names, channels[:1]), channelNames(names, channels[1:]))
}
