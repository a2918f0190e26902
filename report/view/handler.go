package view

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
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
// must carry ?token=token and a Host that names this machine's loopback interface,
// so that neither another user of the machine nor a page of another site (by DNS
// rebinding) can read what is shown.
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
	case !h.knows(r):
		http.Error(w, "The address lacks its token: open the one that voxgrad view printed.", http.StatusForbidden)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "Only GET and HEAD are answered.", http.StatusMethodNotAllowed)
	default:
		h.serve(w, r)
	}
}

// loopbackHost tells whether host, with or without a port, is a name that no DNS
// server has a say in. The port may be another than the server's: that of a tunnel.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "127.0.0.1" || host == "localhost"
}

// knows tells whether the request has the token, in a time that does not depend on
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
