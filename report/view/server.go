package view

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// policy lets the page load from its own address only. NiiVue draws its letters
// from an image in a data address.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// handler answers for one study.
type handler struct {
	study *Study
	token []byte
	index []byte
	json  []byte
}

// NewHandler serves the page at / and the images of s by number. Every request
// must carry ?token=token, a Host that names this machine's loopback interface and, if
// it has one, the page's own Origin, so that neither another user of the machine nor a
// page of another site (by DNS rebinding) can read what is shown.
func NewHandler(s *Study, token string) http.Handler {
	h := &handler{study: s, token: []byte(token)}
	var b bytes.Buffer
	if err := page.Execute(&b, map[string]string{"Token": token}); err != nil {
		panic(err) // the template and its data are this package's
	}
	h.index = b.Bytes()
	var err error
	if h.json, err = json.Marshal(s.content); err != nil {
		panic(err) // numbers are finite: Load sees to that
	}
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", policy)
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Cache-Control", "no-store")
	switch {
	case !loopbackHost(r.Host):
		http.Error(w, "This server answers to 127.0.0.1 and localhost only.", http.StatusForbidden)
	case !ownOrigin(r):
		http.Error(w, "This server answers to its own page only.", http.StatusForbidden)
	case !h.knows(r):
		http.Error(w, "The address lacks its token: open the one that voxgrad view printed.", http.StatusForbidden)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "Only GET and HEAD are answered.", http.StatusMethodNotAllowed)
	default:
		h.serve(w, r)
	}
}

// loopbackHost reports whether host, with or without a port, is a name that no DNS
// server has a say in. The port may be another than the server's: that of a tunnel.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "127.0.0.1" || host == "localhost"
}

// ownOrigin reports whether a request that says which page sent it comes from this
// server's. Browsers say so with what a page of another site asks for.
func ownOrigin(r *http.Request) bool {
	for _, from := range r.Header["Origin"] {
		if from != "http://"+r.Host {
			return false
		}
	}
	return true
}

// knows reports whether the request has the token, in a time that does not depend on
// how much of it is right.
func (h *handler) knows(r *http.Request) bool {
	given := r.URL.Query()["token"]
	return len(given) == 1 && subtle.ConstantTimeCompare([]byte(given[0]), h.token) == 1
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; path {
	case "/":
		send(w, r, "text/html; charset=utf-8", h.index)
	case "/view.css":
		send(w, r, "text/css; charset=utf-8", asset("view.css"))
	case "/view.js":
		send(w, r, "text/javascript; charset=utf-8", asset("view.js"))
	case "/panes.js":
		send(w, r, "text/javascript; charset=utf-8", asset("panes.js"))
	case "/niivue.js":
		h.niivue(w, r)
	case "/study.json":
		send(w, r, "application/json", h.json)
	default:
		digits, ok := strings.CutPrefix(path, "/image/")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || digits != strconv.Itoa(n) || n < 0 || n >= len(h.study.images) {
			http.Error(w, "There is nothing at this address.", http.StatusNotFound)
			return
		}
		send(w, r, "application/octet-stream", h.study.images[n])
	}
}

// niivue sends the library compressed, as it is stored, to whoever understands that.
func (h *handler) niivue(w http.ResponseWriter, r *http.Request) {
	const kind = "text/javascript; charset=utf-8"
	b := asset("niivue.umd.js.gz")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		send(w, r, kind, b)
		return
	}
	plain, err := gunzip(b)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	send(w, r, kind, plain)
}

func send(w http.ResponseWriter, r *http.Request, kind string, b []byte) {
	w.Header().Set("Content-Type", kind)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

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

// Server shows a study on the loopback interface.
type Server struct {
	listener net.Listener
	server   *http.Server
	token    string
	folder   string // of OpenBrowser's file
}

// Listen opens a port of 127.0.0.1, any free one if port is 0. Nothing is answered
// before Serve.
func Listen(port int, s *Study) (*Server, error) {
	if port < 0 || port > 65535 {
		return nil, fmt.Errorf("port %d: a number from 1 to 65535, or 0 for any free port", port)
	}
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, fmt.Errorf("cannot serve on port %d of 127.0.0.1: %w", port, err)
	}
	token := rand.Text()
	return &Server{listener: l, token: token, server: &http.Server{
		Handler:           NewHandler(s, token),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}}, nil
}

// URL is the address to open, with its token.
func (s *Server) URL() string {
	return fmt.Sprintf("http://%s/?token=%s", s.listener.Addr(), s.token)
}

// Serve answers until ctx ends, which is no error, and closes the server.
func (s *Server) Serve(ctx context.Context) error {
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { s.server.Close() })
	defer stop()
	err := s.server.Serve(s.listener)
	if errors.Is(err, http.ErrServerClosed) && ctx.Err() != nil {
		return nil
	}
	return err
}
