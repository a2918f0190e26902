package view

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server shows a study on the loopback interface.
type Server struct {
	listener net.Listener
	server   *http.Server
	token    string
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

// Serve answers until ctx ends, which is no error.
func (s *Server) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.server.Close() })
	defer stop()
	err := s.server.Serve(s.listener)
	if errors.Is(err, http.ErrServerClosed) && ctx.Err() != nil {
		return nil
	}
	return err
}
