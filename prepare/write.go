package prepare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"voxgrad/internal/outfile"
	"voxgrad/report"
	"voxgrad/volume"
)

// RecordFile is the name of the record in a folder of prepared scans. It is there when all
// other files are.
const RecordFile = "record.json"

// PictureFile is the name of the picture to check a preparation by: see Picture.
const PictureFile = "check.png"

// Files are the names that Write gives, for one or two time points.
func Files(times int) []string {
	if times == 1 {
		return []string{"flair.nii.gz", "brainmask.nii.gz", "bias.nii.gz", "prepared_to_scan.txt", "scan_to_prepared.txt", PictureFile, RecordFile}
	}
	return []string{"flair_time01.nii.gz", "flair_time02.nii.gz", "brainmask.nii.gz", "bias_time01.nii.gz", "bias_time02.nii.gz",
		"prepared_to_time01.txt", "time01_to_prepared.txt", "prepared_to_time02.txt", "time02_to_prepared.txt", PictureFile, RecordFile}
}

// Write writes everything into a folder, which is made if it is not there; all files appear, or
// none does. Those of an earlier preparation that this one does not have go.
func (p *Prepared) Write(dir string) error {
	tidy, err := outfile.Folder(dir)
	if err != nil {
		return err
	}
	defer tidy()
	var files outfile.Set
	defer files.Discard()
	in := func(format string, a ...any) string { return filepath.Join(dir, fmt.Sprintf(format, a...)) }
	for n, v := range p.Times {
		scan, suffix := "scan", ""
		if len(p.Times) > 1 {
			scan = fmt.Sprintf("time%02d", n+1)
			suffix = "_" + scan
		}
		if err := volume.WriteIn(&files, in("flair%s.nii.gz", suffix), v, volume.Float32); err != nil {
			return err
		}
		if n < len(p.Fields) && p.Fields[n] != nil {
			if err := volume.WriteIn(&files, in("bias%s.nii.gz", suffix), p.Fields[n], volume.Float32); err != nil {
				return err
			}
		}
		if err := volume.WriteITKIn(&files, in("prepared_to_%s.txt", scan), p.ToScan[n]); err != nil {
			return err
		}
		if err := volume.WriteITKIn(&files, in("%s_to_prepared.txt", scan), p.ToScan[n].Inverse()); err != nil {
			return err
		}
	}
	if p.Brain != nil {
		if err := volume.WriteMaskIn(&files, in("brainmask.nii.gz"), p.Brain); err != nil {
			return err
		}
	}
	picture, err := Picture(p.Times, p.Brain, p.Fields)
	if err != nil {
		return err
	}
	if err := report.WritePNGIn(&files, in(PictureFile), picture); err != nil {
		return err
	}
	text, err := json.MarshalIndent(p.Record, "", "  ")
	if err != nil {
		return err
	}
	if err := files.Write(in(RecordFile), func(w io.Writer) error { _, err := w.Write(append(text, '\n')); return err }); err != nil {
		return err
	}
	_, err = os.Stat(in(RecordFile))
	earlier := err == nil
	if err := files.Commit(); err != nil || !earlier {
		return err
	}
	return p.sweep(dir)
}

// sweep removes what an earlier preparation left in dir that p does not have: its record would
// not hold for it.
func (p *Prepared) sweep(dir string) error {
	var gone []string
	if p.Brain == nil {
		gone = append(gone, "brainmask.nii.gz")
	}
	for n := range p.Times {
		if n < len(p.Fields) && p.Fields[n] != nil {
			continue
		}
		name := "bias.nii.gz"
		if len(p.Times) > 1 {
			name = fmt.Sprintf("bias_time%02d.nii.gz", n+1)
		}
		gone = append(gone, name)
	}
	for _, name := range gone {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
