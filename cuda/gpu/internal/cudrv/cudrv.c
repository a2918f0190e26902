//go:build cuda && linux && amd64

#include "cudrv.h"
#include "symbols.h"

#include <dlfcn.h>
#include <stdio.h>

// cuInit is what package cu calls when it is initialised. The driver's own is called by cudrv_open.
int cuInit(unsigned int flags) { return 0; }

// What slots hold before the library is open, and those of functions it lacks afterwards.
int cudrv_closed(void) { return CUDRV_NOT_INITIALIZED; }
static int absent(void) { return CUDRV_NOT_SUPPORTED; }

#define DECLARE(name) extern void *cudrv_slot_##name;
SYMBOLS(DECLARE)

static const struct {
	const char *name;
	void **slot;
} slots[] = {
#define ENTRY(name) {#name, &cudrv_slot_##name},
	SYMBOLS(ENTRY)
};

static int (*mem_alloc_host)(void **, size_t);
static int (*func_set_attribute)(void *, int, int);
static int (*begin_capture)(void *, int);
static int (*end_capture)(void *, void **);
static int (*instantiate)(void **, void *, unsigned long long);
static int (*graph_launch)(void *, void *);
static int (*graph_destroy)(void *);
static int (*exec_destroy)(void *);
static int (*error_name)(int, const char **);
static int (*error_string)(int, const char **);

int cudrv_open(const char *library, char *why, size_t n) {
	// The handle is never closed: the driver's threads outlive any use of it.
	void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		snprintf(why, n, "%s", dlerror());
		return -1;
	}
	int (*init)(unsigned int) = NULL;
	const struct {
		const char *name;
		void **to;
	} own[] = {
		{"cuInit", (void **)&init},
		{"cuMemAllocHost_v2", (void **)&mem_alloc_host},
		{"cuFuncSetAttribute", (void **)&func_set_attribute},
		{"cuGetErrorName", (void **)&error_name},
		{"cuGetErrorString", (void **)&error_string},
	};
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		*own[i].to = dlsym(lib, own[i].name);
		if (!*own[i].to) {
			snprintf(why, n, "%s has no function %s", library, own[i].name);
			return -1;
		}
	}
	int code = init(0);
	if (code)
		return code;
	for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
		void *f = dlsym(lib, slots[i].name);
		*slots[i].slot = f ? f : (void *)absent;
	}
	const struct {
		const char *name;
		void **to;
	} graphs[] = {
		{"cuStreamBeginCapture_v2", (void **)&begin_capture},
		{"cuStreamEndCapture", (void **)&end_capture},
		{"cuGraphInstantiateWithFlags", (void **)&instantiate},
		{"cuGraphLaunch", (void **)&graph_launch},
		{"cuGraphDestroy", (void **)&graph_destroy},
		{"cuGraphExecDestroy", (void **)&exec_destroy},
	};
	for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++) {
		*graphs[i].to = dlsym(lib, graphs[i].name);
		if (!*graphs[i].to)
			*graphs[i].to = (void *)absent;
	}
	// Headers of CUDA 13 name the second version, drivers before CUDA 12.8 have the first, of the same parameters.
	if (cudrv_slot_cuEventElapsedTime_v2 == (void *)absent)
		cudrv_slot_cuEventElapsedTime_v2 = cudrv_slot_cuEventElapsedTime;
	return 0;
}

int cudrv_mem_alloc_host(void **p, size_t bytes) {
	return mem_alloc_host ? mem_alloc_host(p, bytes) : CUDRV_NOT_INITIALIZED;
}

int cudrv_func_set_attribute(void *function, int attribute, int value) {
	return func_set_attribute ? func_set_attribute(function, attribute, value) : CUDRV_NOT_INITIALIZED;
}

int cudrv_begin_capture(uintptr_t stream, int mode) {
	return begin_capture ? begin_capture((void *)stream, mode) : CUDRV_NOT_INITIALIZED;
}

int cudrv_end_capture(uintptr_t stream, uintptr_t *exec) {
	if (!end_capture)
		return CUDRV_NOT_INITIALIZED;
	void *graph = NULL;
	int code = end_capture((void *)stream, &graph);
	if (code)
		return code;
	code = instantiate((void **)exec, graph, 0);
	int freed = graph_destroy(graph);
	return code ? code : freed;
}

int cudrv_graph_launch(uintptr_t exec, uintptr_t stream) {
	return graph_launch ? graph_launch((void *)exec, (void *)stream) : CUDRV_NOT_INITIALIZED;
}

int cudrv_exec_destroy(uintptr_t exec) {
	return exec_destroy ? exec_destroy((void *)exec) : CUDRV_NOT_INITIALIZED;
}

const char *cudrv_error_name(int code) {
	const char *s = NULL;
	return error_name && error_name(code, &s) == 0 ? s : NULL;
}

const char *cudrv_error_string(int code) {
	const char *s = NULL;
	return error_string && error_string(code, &s) == 0 ? s : NULL;
}
