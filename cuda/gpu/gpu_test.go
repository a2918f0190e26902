//go:build cuda && cgo && linux && amd64

package gpu

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonia.org/cu"
)

// TestMain lets the test binary be a program that only tries to open a device.
func TestMain(m *testing.M) {
	if os.Getenv("HW_TEST_CHILD") == "open" {
		_, err := describe(0)
		fmt.Println("before:", err)
		fmt.Println("available:", Available())
		_, err = List()
		fmt.Println("list:", err)
		_, err = Open(0)
		fmt.Println("open:", err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A program with this package must start where there is no driver: the binary, this
// one, holds cu and does not ask for its library.
func TestNoLibcudaImported(t *testing.T) {
	path, err := os.Executable()
	require.NoError(t, err)
	require.Equal(t, "gorgonia.org/cu", reflect.TypeOf(cu.OutOfMemory).PkgPath()) // it is in the binary
	f, err := elf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	libs, err := f.ImportedLibraries()
	require.NoError(t, err)
	require.NotEmpty(t, libs)
	for _, l := range libs {
		require.NotContains(t, l, "libcuda")
	}
	symbols, err := f.ImportedSymbols()
	require.NoError(t, err)
	for _, s := range symbols {
		require.NotRegexp(t, `^cu[A-Z]`, s.Name)
	}
}

// Where there is no GPU all three say the same reason.
func TestNoGPU(t *testing.T) {
	err := Available()
	if err == nil {
		t.Skip("there is a GPU on this machine")
	}
	require.Regexp(t, "libcuda.so.1|finds no GPU|does not start|compute capability", err.Error())
	_, listed := List()
	_, opened := Open(0)
	require.EqualError(t, opened, err.Error())
	require.EqualError(t, listed, err.Error())
}

// library compiles a libcuda.so.1 and returns its folder.
func library(t *testing.T, source string) string {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler")
	}
	dir := t.TempDir()
	out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-o", filepath.Join(dir, "libcuda.so.1"), source).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// child runs this binary with a library of ours.
func child(t *testing.T, dir string, env []string, args ...string) string {
	path, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(path, args...)
	c.Env = append(append(os.Environ(), "LD_LIBRARY_PATH="+dir), env...)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestOpenFailures(t *testing.T) {
	dir := library(t, "testdata/fake.c")
	for _, c := range []struct{ fail, want string }{
		{"cuInit=100", "finds no GPU"},
		{"cuInit=999", "does not start: fake failure (CUDA_ERROR_FAKE, CUDA error 999)"},
		{"cuDeviceGetCount=100", "finds no GPU"},
		{"cuDeviceGetAttribute=999", "GPU 0 cannot be examined: fake failure"},
	} {
		t.Run(c.fail, func(t *testing.T) {
			out := child(t, dir, []string{"HW_TEST_CHILD=open", "FAKE_FAIL=" + c.fail})
			for _, call := range []string{"available", "list", "open"} {
				require.Regexp(t, `(?m)^`+call+`: .*`, out)
			}
			require.Contains(t, out, "before: GPU 0 cannot be examined: CUDA error 3\n") // not initialized
			require.Contains(t, out, c.want)
			require.NotContains(t, out, "<nil>")
		})
	}
	t.Run("no functions", func(t *testing.T) {
		empty := filepath.Join(t.TempDir(), "empty.c")
		require.NoError(t, os.WriteFile(empty, []byte("int nothing;\n"), 0o644))
		out := child(t, library(t, empty), []string{"HW_TEST_CHILD=open"})
		require.Contains(t, out, "libcuda.so.1 has no function cuInit")
	})
	t.Run("no library", func(t *testing.T) {
		broken := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(broken, "libcuda.so.1"), []byte("no library"), 0o644))
		out := child(t, broken, []string{"HW_TEST_CHILD=open"})
		for _, call := range []string{"available", "list", "open"} {
			require.Regexp(t, `(?m)^`+call+`: no CUDA driver: cannot load libcuda.so.1 \(.*\): install NVIDIA's driver`, out)
		}
	})
	for _, f := range []string{"cuCtxCreate_v2", "cuStreamCreate", "cuMemAllocHost_v2", "cuEventCreate"} {
		t.Run("setting up "+f, func(t *testing.T) {
			out := child(t, dir, []string{"HW_TEST_CHILD=open", "FAKE_FAIL=" + f + "=2"})
			require.Contains(t, out, "available: <nil>")
			require.Contains(t, out, "open: GPU 0 (Fake GPU) cannot be opened: fake failure (CUDA_ERROR_FAKE, CUDA error 2)")
		})
	}
}

// What Open refuses by its version is what the kernels are.
func TestOldestPTX(t *testing.T) {
	files, err := filepath.Glob("../kernels/*.ptx")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		require.Contains(t, string(text), "\n.version "+oldestPTX+"\n", f)
	}
}
