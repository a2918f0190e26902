// Package report shows results to people: training curves, slices with
// overlays, pictures of lesions, tables for a terminal and self-contained HTML
// pages.
//
// Everything it draws is deterministic: the same input gives the same bytes. It
// needs no font, browser or network; the text in pictures is set in the
// Liberation fonts that come with gonum/plot.
package report
