// Package metrics compares a lesion mask with a reference: overlap of voxels,
// distances between surfaces, and detection of lesions, as defined by the tool of
// the MSSEG-2 challenge (animaSegPerfAnalyzer of Anima, release 4.1.1 and later),
// with its connectivity, size limits, ordering, ties and degenerate cases. It also
// holds what is needed to report such values over many cases: means under the
// challenge's rule, bootstrap intervals, Wilcoxon's signed-rank test, Holm's
// correction, and a table of raters against each other.
//
// The reference is called truth, the mask under test pred. Lengths are in mm,
// volumes in mm³. A value that is undefined (0/0) is NaN in Go and null in JSON.
package metrics
