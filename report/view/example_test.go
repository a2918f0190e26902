package view_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"voxgrad/report/view"
	"voxgrad/volume"
)

// A phantom's second scan with its new lesions, as the page gets it. A program
// would go on with view.Listen and Serve.
func Example() {
	dir, err := os.MkdirTemp("", "view")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	o := volume.DefaultPhantom(1)
	o.Size = [3]int{48, 48, 48}
	o.New, o.WithoutNew = volume.Range{Min: 2, Max: 2}, 0
	p, err := volume.NewPhantom(o)
	if err != nil {
		log.Fatal(err)
	}
	scan, mask := filepath.Join(dir, "time2.nii.gz"), filepath.Join(dir, "new.nii.gz")
	if err := volume.Write(scan, p.Time2, volume.Float32); err != nil {
		log.Fatal(err)
	}
	if err := volume.WriteMask(mask, p.NewLesions); err != nil {
		log.Fatal(err)
	}

	study, err := view.Load(view.Files{Scans: []view.Scan{{Label: "time 2", Path: scan}}, Truth: mask})
	if err != nil {
		log.Fatal(err)
	}
	for _, l := range study.Lesions() {
		fmt.Println(l.Number, l.Status, l.Voxels > 0)
	}
	server := httptest.NewServer(view.NewHandler(study, "secret"))
	defer server.Close()
	for _, query := range []string{"", "?token=secret"} {
		r, err := http.Get(server.URL + "/" + query)
		if err != nil {
			log.Fatal(err)
		}
		r.Body.Close()
		fmt.Println(r.StatusCode)
	}
	// Output:
	// 1 marked true
	// 2 marked true
	// 403
	// 200
}
