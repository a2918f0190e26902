package view

import (
	"bytes"
	"compress/gzip"
	"embed"
	"html/template"
	"io"
)

// What the page is made of. NiiVue is the file dist/niivue.umd.js of the package
// named here, unchanged but for gzip; third_party holds the licences of it and of
// what it contains.
const (
	niivuePackage = "@niivue/niivue 0.69.0"
	niivueSHA256  = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"
)

//go:embed assets
var assets embed.FS

var page = template.Must(template.ParseFS(assets, "assets/index.html"))

// asset is an embedded file.
func asset(name string) []byte {
	b, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // the names are constants of this package
	}
	return b
}

// gunzip is what the gzip stream b holds.
func gunzip(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
