package view_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/report/view"
	"voxgrad/volume"
)

const token = "RIGHTTOKEN"

// cube writes an image of n³ voxels of 1 mm with the values given by raster offset,
// and a secret in its header.
func cube(t testing.TB, dir, name string, n int, values map[int]float32) string {
	t.Helper()
	v := volume.New(volume.Grid{Size: [3]int{n, n, n}, Affine: volume.Identity})
	for x, f := range values {
		v.Data[x] = f
	}
	path := filepath.Join(dir, name)
	require.NoError(t, volume.Write(path, v, volume.Float32))
	return path
}

func handler(t testing.TB) http.Handler {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret.txt"), []byte("secret"), 0o600))
	s, err := view.Load(view.Files{
		Scans: []view.Scan{{Label: "time 1", Path: cube(t, dir, "scan.nii.gz", 4, map[int]float32{5: 100, 6: 50})}},
		Mask:  cube(t, dir, "mask.nii.gz", 4, map[int]float32{5: 1}),
	})
	require.NoError(t, err)
	return view.NewHandler(s, token)
}

// ask sends a request for a target, as it stands in the request's first line.
func ask(h http.Handler, method, host, target string, header ...string) *http.Response {
	r := httptest.NewRequest("GET", "/", nil) // which panics for a method that is no word
	r.Method, r.Host = method, host
	u, err := url.ParseRequestURI(target)
	if err != nil {
		u = &url.URL{Path: target}
	}
	r.URL = u
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, r *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return b
}

const host = "127.0.0.1:40000"

var pages = []string{"/", "/view.css", "/view.js", "/panes.js", "/niivue.js", "/study.json", "/image/0", "/image/1"}

func TestEveryPageNeedsTheToken(t *testing.T) {
	h := handler(t)
	for _, path := range pages {
		require.Equal(t, http.StatusOK, ask(h, "GET", host, path+"?token="+token).StatusCode, path)
		for _, query := range []string{"", "?token=", "?token=RIGHTTOKEM", "?token=RIGHTTOKE", "?token=RIGHTTOKENX", "?Token=" + token,
			"?token=wrong&token=" + token, "?token=" + token + "&token=wrong", "?token=%00" + token, "?token=" + strings.ToLower(token)} {
			r := ask(h, "GET", host, path+query)
			require.Equal(t, http.StatusForbidden, r.StatusCode, path+query)
			require.NotContains(t, string(body(t, r)), token)
		}
		// A cookie or a header is no token.
		require.Equal(t, http.StatusForbidden, ask(h, "GET", host, path, "Cookie", "token="+token, "Authorization", "token "+token).StatusCode)
	}
	// Without it, what is there and what is not look alike.
	require.Equal(t, http.StatusForbidden, ask(h, "GET", host, "/nowhere").StatusCode)
}

func TestOnlyLoopbackHosts(t *testing.T) {
	h := handler(t)
	for _, good := range []string{host, "127.0.0.1", "localhost", "localhost:8080", "127.0.0.1:1"} {
		require.Equal(t, http.StatusOK, ask(h, "GET", good, "/?token="+token).StatusCode, good)
	}
	for _, bad := range []string{"", "evil.example", "evil.example:40000", "127.0.0.1.evil.example:40000", "localhost.evil.example",
		"10.0.0.1:40000", "0.0.0.0:40000", "127.0.0.2:40000", "[::1]:40000", "127.0.0.1:40000:1", "LOCALHOST@evil.example", "127.0.0.1 "} {
		require.Equal(t, http.StatusForbidden, ask(h, "GET", bad, "/?token="+token).StatusCode, bad)
	}
}

// What another page has a browser send says where it comes from.
func TestOnlyItsOwnOrigin(t *testing.T) {
	h := handler(t)
	for _, path := range pages {
		require.Equal(t, http.StatusOK, ask(h, "GET", host, path+"?token="+token, "Origin", "http://"+host).StatusCode)
		for _, bad := range []string{"null", "", "http://evil.example", "https://" + host, "http://127.0.0.1:40001", "http://localhost:40000", "http://" + host + ".evil.example", host} {
			require.Equal(t, http.StatusForbidden, ask(h, "GET", host, path+"?token="+token, "Origin", bad).StatusCode, bad)
		}
	}
}

func TestOnlyReadingMethods(t *testing.T) {
	h := handler(t)
	for _, m := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", " ", "", "get"} {
		r := ask(h, m, host, "/image/0?token="+token)
		require.Equal(t, http.StatusMethodNotAllowed, r.StatusCode, m)
		require.Equal(t, "GET, HEAD", r.Header.Get("Allow"))
	}
	r := ask(h, "HEAD", host, "/image/0?token="+token)
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Empty(t, body(t, r))
}

func TestOnlyTheNamedFiles(t *testing.T) {
	h := handler(t)
	for _, path := range []string{"/image/2", "/image/-1", "/image/00", "/image/+0", "/image/0x0", "/image/", "/image", "/image/0/", "/image/ 0",
		"/image/99999999999999999999", "/image/0/../1", "/image/..", "/image/../secret.txt", "/image/%2e%2e/secret.txt", "/image/..%2fsecret.txt",
		"//image/0", "/./image/0", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%5c..%5cetc", "/etc/passwd", "/secret.txt", "/scan.nii.gz",
		"/assets/", "/assets/view.js", "/niivue.umd.js.gz", "/index.html", "/view.js/", "/favicon.ico", "/image/０"} {
		r := ask(h, "GET", host, path+"?token="+token)
		require.Equal(t, http.StatusNotFound, r.StatusCode, path)
		require.Less(t, len(body(t, r)), 100, path)
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	h := handler(t)
	for _, target := range []string{"/?token=" + token, "/image/0?token=" + token, "/niivue.js?token=" + token, "/nowhere?token=" + token, "/"} {
		head := ask(h, "GET", host, target).Header
		csp := head.Get("Content-Security-Policy")
		require.Contains(t, csp, "default-src 'none'", target)
		for _, loose := range []string{"unsafe", "http:", "https:", "*", "blob:"} {
			require.NotContains(t, csp, loose, target)
		}
		require.Contains(t, csp, "frame-ancestors 'none'")
		require.Equal(t, "no-referrer", head.Get("Referrer-Policy"), target)
		require.Equal(t, "nosniff", head.Get("X-Content-Type-Options"), target)
		require.Equal(t, "same-origin", head.Get("Cross-Origin-Resource-Policy"), target)
		require.Equal(t, "no-store", head.Get("Cache-Control"), target)
		require.Empty(t, head.Get("Access-Control-Allow-Origin"), target)
	}
}

// The page itself must obey the policy: no script or style in line, no address but
// its own.
func TestPageLoadsItsOwnFilesOnly(t *testing.T) {
	h := handler(t)
	html := string(body(t, ask(h, "GET", host, "/?token="+token)))
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		if m[1] == "data:," {
			continue
		}
		require.Equal(t, http.StatusOK, ask(h, "GET", host, "/"+m[1]).StatusCode, m[1])
	}
	require.NotRegexp(t, `<script>|<style>|style="|\son\w+="`, html)
	for _, path := range []string{"/", "/view.css", "/view.js", "/panes.js"} {
		require.NotRegexp(t, `https?://|url\(`, string(body(t, ask(h, "GET", host, path+"?token="+token))), path)
	}
}

func TestImagesAreTheFiles(t *testing.T) {
	h := handler(t)
	v, err := volume.Decode(bytes.NewReader(body(t, ask(h, "GET", host, "/image/0?token="+token))), "image")
	require.NoError(t, err)
	require.Equal(t, [3]int{4, 4, 4}, v.Size)
	require.EqualValues(t, 100, v.Data[5])
	require.EqualValues(t, 50, v.Data[6])
	var study struct {
		Scans []struct {
			Image     int
			Name      string
			Low, High float64
		}
		Overlay struct{ Image int }
		Lesions []view.Lesion
	}
	require.NoError(t, json.Unmarshal(body(t, ask(h, "GET", host, "/study.json?token="+token)), &study))
	require.Equal(t, "scan.nii.gz", study.Scans[0].Name, "names are shown without folders")
	require.Less(t, study.Scans[0].Low, study.Scans[0].High)
	require.Equal(t, 1, study.Overlay.Image)
	require.Len(t, study.Lesions, 1)
}

// NiiVue goes out as it was published, compressed or not.
func TestNiiVueIsUnchanged(t *testing.T) {
	h := handler(t)
	plain := body(t, ask(h, "GET", host, "/niivue.js?token="+token))
	r := ask(h, "GET", host, "/niivue.js?token="+token, "Accept-Encoding", "gzip, br")
	require.Equal(t, "gzip", r.Header.Get("Content-Encoding"))
	packed := body(t, r)
	require.Less(t, len(packed), 1_500_000)
	z, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	unpacked, err := io.ReadAll(z)
	require.NoError(t, err)
	require.True(t, bytes.Equal(plain, unpacked))
	sum := sha256.Sum256(plain)
	require.Equal(t, view.NiiVueSHA256, hex.EncodeToString(sum[:]))
	require.NotContains(t, string(plain), "sourceMappingURL")
	text, err := os.ReadFile("third_party/niivue.txt")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), view.NiiVuePackage+"\n"))
	require.Contains(t, string(plain), strings.TrimPrefix(view.NiiVuePackage, "@niivue/niivue "), "the version it says it is")
}

func FuzzHandler(f *testing.F) {
	h := handler(f)
	for _, path := range append(pages, "/image/2", "/../x", "//", "/image/%30") {
		f.Add("GET", host, path+"?token="+token)
		f.Add("GET", "evil.example", path)
		f.Add(" ", host, path+"?token="+token)
	}
	f.Fuzz(func(t *testing.T, method, host, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := ask(h, method, host, target)
		allowed := (host == "localhost" || host == "127.0.0.1" || strings.HasPrefix(host, "localhost:") || strings.HasPrefix(host, "127.0.0.1:")) &&
			u.Query().Get("token") == token
		switch r.StatusCode {
		case http.StatusOK, http.StatusPartialContent:
			require.True(t, allowed)
			require.Contains(t, pages, u.Path)
		case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusRequestedRangeNotSatisfiable:
		default:
			t.Fatalf("%s %s: %d", method, target, r.StatusCode)
		}
	})
}
