package view

import (
	"errors"
	"fmt"
	"html/template"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// redirect leads a browser on to the address. Its policy lets it do nothing else.
var redirect = template.Must(template.New("redirect").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'"/>
<meta name="referrer" content="no-referrer"/>
<meta http-equiv="refresh" content="0; url={{.}}"/>
<title>voxgrad view</title>
</head>
<body><p>This page leads on to <a href="{{.}}">the viewer</a>.</p></body>
</html>
`))

// OpenBrowser asks the desktop to show the page, and does not wait for it. Every user
// of a machine can read the arguments of every process, so that the address with
// its token is not among them: the browser is told the name of a file that only this
// user can read, which leads it on to the address. Close removes it.
func (s *Server) OpenBrowser() error {
	if s.folder == "" {
		dir, err := os.MkdirTemp("", "voxgrad-view-") // readable by this user only
		if err != nil {
			return err
		}
		s.folder = dir
	}
	path := filepath.Join(s.folder, "open.html")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = redirect.Execute(f, s.URL())
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var cmd *exec.Cmd
	switch runtime.GOOS {
	case "darwin":
		cmd = exec.Command("open", path)
	case "windows":
		cmd = exec.Command("rundll32", "url.dll,FileProtocolHandler", path)
	default:
		cmd = exec.Command("xdg-open", path)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait() //nolint:errcheck // whether the browser came up is seen, not heard
	return nil
}

// Close ends the server and removes what OpenBrowser wrote.
func (s *Server) Close() error {
	err := s.server.Close()
	if e := s.listener.Close(); err == nil && !errors.Is(e, net.ErrClosed) {
		err = e
	}
	if s.folder != "" {
		if e := os.RemoveAll(s.folder); err == nil {
			err = e
		}
	}
	return err
}
