// cuda.h is not included: it renames functions by macros, and here the names of
// the symbols themselves are needed.
#include <stddef.h>
#include <stdint.h>

enum { CUDRV_NOT_INITIALIZED = 3, CUDRV_NOT_SUPPORTED = 801 };

// cudrv_open loads the library and fills the slots. It returns 0 or, if the library
// or a function in it is missing, -1 with the reason in why, or the code of cuInit.
int cudrv_open(const char *library, char *why, size_t n);

// What gorgonia.org/cu lacks.
int cudrv_mem_alloc_host(void **p, size_t bytes);
int cudrv_func_set_attribute(void *function, int attribute, int value);
int cudrv_begin_capture(uintptr_t stream, int mode);
int cudrv_end_capture(uintptr_t stream, uintptr_t *exec); // of the captured work, instantiated
int cudrv_graph_launch(uintptr_t exec, uintptr_t stream);
int cudrv_exec_destroy(uintptr_t exec);
const char *cudrv_error_name(int code);
const char *cudrv_error_string(int code);
