package prepare

import "voxgrad/volume"

// Record is what was done to scans and how well it went.
type Record struct {
	Scans    []ScanRecord    `json:"scans"`
	Times    *TimesRecord    `json:"time_points,omitempty"`
	Atlas    *AtlasRecord    `json:"atlas,omitempty"`
	Contrast *ContrastRecord `json:"contrast,omitempty"`
	Settings Settings        `json:"settings"`
	Grid     GridRecord      `json:"grid"`
	BrainML  float64         `json:"brain_ml,omitempty"` // of the brain in the prepared space
	Missed   *MissedRecord   `json:"brain_missed,omitempty"`
	Warnings []string        `json:"warnings,omitempty"`
	Seconds  []StepSeconds   `json:"seconds"`
}

// ScanRecord is what was done to one scan.
type ScanRecord struct {
	File      string     `json:"file"`
	Grid      GridRecord `json:"grid"`
	Brain     string     `json:"brain"` // given, stripped, extracted or none
	BrainML   float64    `json:"brain_ml,omitempty"`
	Certainty float64    `json:"brain_certainty,omitempty"`
	Noise     float64    `json:"noise_taken_out,omitempty"` // its standard deviation, in the units of the scan
	// Bias is the standard deviation, in the brain, of the logarithm of the field taken out.
	Bias float64 `json:"bias_field,omitempty"`
	// ToScan maps points of the prepared space to points of the scan, RAS millimetres.
	ToScan volume.Transform `json:"prepared_to_scan"`
}

// OneGrid is how time points are registered that are on one grid.
const OneGrid = "one grid"

// TimesRecord is the registration of the time points.
type TimesRecord struct {
	How         string  `json:"how"` // found, given, one grid or left out
	Degrees     float64 `json:"degrees"`
	MM          float64 `json:"mm"` // by which the middle of the head moves
	Correlation float64 `json:"local_correlation,omitempty"`
	Overlap     float64 `json:"overlap,omitempty"`
	// Ratio is the standard deviation, in the brain, of the logarithm of the field by which the scans
	// still differed.
	Ratio float64 `json:"ratio_field,omitempty"`
}

// AtlasRecord is the registration to the atlas.
type AtlasRecord struct {
	How         string  `json:"how"` // affine or rigid
	Degrees     float64 `json:"degrees"`
	Volume      float64 `json:"volume_factor"` // of the affine transform from the scan to the atlas
	Correlation float64 `json:"local_correlation"`
	Overlap     float64 `json:"overlap"`
	Seen        float64 `json:"brain_seen"` // share of the atlas' brain in the field of view of all scans
}

// MissedRecord is brain that one of two scans does not show, as where its field of view ends in the head: nothing is compared there.
type MissedRecord struct {
	ML    float64 `json:"ml"`    // in the prepared space
	Share float64 `json:"share"` // of what is brain in either
}

// ContrastRecord is the mean intensities of tissues, that of white matter being 1.
type ContrastRecord struct {
	Cortex     float64 `json:"cortex"`
	DeepGrey   float64 `json:"deep_grey"`
	Ventricles float64 `json:"ventricles"`
}

// GridRecord is a grid.
type GridRecord struct {
	Size    [3]int        `json:"size"`
	Spacing [3]float64    `json:"spacing_mm"`
	Axes    string        `json:"axes"`
	Affine  volume.Affine `json:"affine"`
}

func gridRecord(g volume.Grid) GridRecord {
	return GridRecord{g.Size, g.Affine.Spacing(), g.Affine.Codes(), g.Affine}
}

// StepSeconds is how long a step took.
type StepSeconds struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"`
}
