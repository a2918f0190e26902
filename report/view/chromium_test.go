package view_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// chromium is a headless browser with one tab, driven by the DevTools protocol over
// a pair of pipes: messages are JSON that ends with a zero byte.
type chromium struct {
	t       *testing.T
	to      *os.File
	from    *os.File
	reader  *bufio.Reader
	session string
	last    int
	events  []event
}

// patience is how long the browser may take for anything: it draws in software, maybe
// on a machine that has much else to do.
const patience = 4 * time.Minute

type event struct {
	Method string
	Params json.RawMessage
}

// openChromium starts the browser, or skips the test where there is none. Names
// other than 127.0.0.1 are not resolved: the page has to work without a network.
func openChromium(t *testing.T) *chromium {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes too long for -short")
	}
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no chromium or chrome on this machine: the page is not tried in a browser")
	}
	profile, err := os.MkdirTemp("", "voxgrad-view-")
	require.NoError(t, err)
	toRead, to, err := os.Pipe()
	require.NoError(t, err)
	from, fromWrite, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(path, "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--user-data-dir="+profile,
		"--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", // WebGL 2 without a GPU
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--no-proxy-server",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-extensions",
		"--hide-scrollbars", "about:blank")
	cmd.ExtraFiles = []*os.File{toRead, fromWrite} // the browser's descriptors 3 and 4
	require.NoError(t, cmd.Start())
	toRead.Close()
	fromWrite.Close()
	c := &chromium{t: t, to: to, from: from, reader: bufio.NewReaderSize(from, 1<<20)}
	t.Cleanup(func() {
		c.to.Close() // the browser ends with its pipe
		done := make(chan struct{})
		go func() { cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			<-done
		}
		from.Close()
		for range 20 { // helpers of the browser may still be writing
			if os.RemoveAll(profile) == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	var target struct{ TargetID string }
	c.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	c.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	c.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Network", "Log"} {
		c.call(domain+".enable", nil, nil)
	}
	c.resize(960, 600, 1, false)
	return c
}

// resize sets the size of the window in CSS pixels.
func (c *chromium) resize(width, height, pixelRatio int, mobile bool) {
	c.t.Helper()
	c.call("Emulation.setDeviceMetricsOverride",
		map[string]any{"width": width, "height": height, "deviceScaleFactor": pixelRatio, "mobile": mobile}, nil)
}

// call sends a command and waits for its result.
func (c *chromium) call(method string, params, result any) {
	c.t.Helper()
	c.last++
	message := map[string]any{"id": c.last, "method": method}
	if params != nil {
		message["params"] = params
	}
	if c.session != "" {
		message["sessionId"] = c.session
	}
	b, err := json.Marshal(message)
	require.NoError(c.t, err)
	_, err = c.to.Write(append(b, 0))
	require.NoError(c.t, err)
	require.NoError(c.t, c.from.SetReadDeadline(time.Now().Add(patience)))
	for {
		b, err := c.reader.ReadBytes(0)
		require.NoError(c.t, err, "%s: the browser does not answer", method)
		var answer struct {
			ID     int
			Result json.RawMessage
			Error  *struct{ Message string }
			event
		}
		require.NoError(c.t, json.Unmarshal(b[:len(b)-1], &answer))
		if answer.ID == 0 {
			c.events = append(c.events, answer.event)
			continue
		}
		require.Equal(c.t, c.last, answer.ID)
		require.Nil(c.t, answer.Error, "%s: %v", method, answer.Error)
		if result != nil {
			require.NoError(c.t, json.Unmarshal(answer.Result, result))
		}
		return
	}
}

// eval is the value of a JavaScript expression, decoded into result.
func (c *chromium) eval(expression string, result any) {
	c.t.Helper()
	var out struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	c.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &out)
	require.Empty(c.t, string(out.ExceptionDetails), expression)
	if result != nil {
		require.NoError(c.t, json.Unmarshal(out.Result.Value, result), expression)
	}
}

// text is the value of an expression that is a string.
func (c *chromium) text(expression string) string {
	c.t.Helper()
	var s string
	c.eval(expression, &s)
	return s
}

// wait polls until an expression is true.
func (c *chromium) wait(expression string) {
	c.t.Helper()
	for end := time.Now().Add(patience); ; {
		var done bool
		c.eval(expression, &done)
		if done {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("after %v this is still false: %s\n%s", patience, expression, strings.Join(c.complaints(), "\n"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// open goes to an address and waits until the page says that it is ready.
func (c *chromium) open(url string) {
	c.t.Helper()
	c.call("Page.navigate", map[string]any{"url": url}, nil)
	c.wait(`document.body?.dataset.state === "ready" || document.body?.dataset.state === "error"`)
	require.Equal(c.t, "ready", c.text(`document.body.dataset.state`), c.text(`document.getElementById("status").textContent`))
}

// mouse sends an event at a point of the window.
func (c *chromium) mouse(kind string, x, y float64, more map[string]any) {
	c.t.Helper()
	params := map[string]any{"type": kind, "x": x, "y": y}
	for k, v := range more {
		params[k] = v
	}
	c.call("Input.dispatchMouseEvent", params, nil)
}

func (c *chromium) click(x, y float64) {
	c.t.Helper()
	left := map[string]any{"button": "left", "buttons": 1, "clickCount": 1}
	c.mouse("mousePressed", x, y, left)
	c.mouse("mouseReleased", x, y, left)
}

// press types a key.
func (c *chromium) press(key string) {
	c.t.Helper()
	c.call("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": key}, nil)
	c.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key}, nil)
}

// screenshot is what the window shows, drawn after everything that was asked for.
func (c *chromium) screenshot() image.Image {
	c.t.Helper()
	c.eval(`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`, nil)
	var shot struct{ Data string }
	c.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	img, err := png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(shot.Data)))
	require.NoError(c.t, err)
	return img
}

// complaints are the errors that the page, or the browser about it, has reported.
func (c *chromium) complaints() []string {
	var all []string
	for _, e := range c.events {
		switch e.Method {
		case "Runtime.exceptionThrown":
			all = append(all, string(e.Params))
		case "Log.entryAdded":
			var p struct {
				Entry struct{ Level, Source, Text string }
			}
			require.NoError(c.t, json.Unmarshal(e.Params, &p))
			if p.Entry.Level == "error" || p.Entry.Source == "security" {
				all = append(all, p.Entry.Text)
			}
		case "Runtime.consoleAPICalled":
			var p struct{ Type string }
			require.NoError(c.t, json.Unmarshal(e.Params, &p))
			if p.Type == "error" {
				all = append(all, string(e.Params))
			}
		}
	}
	return all
}

// requested are the addresses that the page has asked for.
func (c *chromium) requested() []string {
	var all []string
	for _, e := range c.events {
		if e.Method == "Network.requestWillBeSent" {
			var p struct{ Request struct{ URL string } }
			require.NoError(c.t, json.Unmarshal(e.Params, &p))
			all = append(all, p.Request.URL)
		}
	}
	return all
}
