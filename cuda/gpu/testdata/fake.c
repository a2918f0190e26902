// A libcuda.so.1 for tests: device memory is host memory, work in a stream is put off until
// somebody waits for it, and each call but a few fails outside the thread of the context.
// FAKE_FAIL="function=code" makes a function fail, FAKE_VERSION is the driver's version.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INVALID = 1, NOMEM = 2, NODEVICE = 101, NOCONTEXT = 201, BADPTX = 218, NOTFOUND = 500, ILLEGAL = 700 };
enum { MEMORY = 64 << 20 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int context;
static int contexts, sticky, launches;
static size_t used;

typedef struct op { // 0 copies, 1 fills, 2 records an event, 3 runs a kernel
	int kind;
	void *dst;
	const void *src;
	size_t n;
	unsigned word;
	struct function *f;
	uint64_t geometry[8], args[16];
	int aligned;
} op;
static op queue[4096];
static int queued;

typedef struct graph { int n; op ops[4096]; } graph;
static graph *captured; // what is pushed goes there meanwhile

typedef struct event { int launches, pending; } event;
typedef struct module { char *text; } module;
typedef struct function { char name[64]; int params, dynamic; } function;

static int forced(const char *name) {
	const char *e = getenv("FAKE_FAIL");
	size_t n = strlen(name);
	return e && !strncmp(e, name, n) && e[n] == '=' ? atoi(e + n + 1) : 0;
}

#define BEGIN \
	{ int code = forced(__func__); if (code) return code; }
#define BEGIN_CONTEXT \
	BEGIN if (!context) return NOCONTEXT; if (sticky) return sticky;

static void kernel(op *o) {
	launches++;
	if (!strncmp(o->f->name, "echo", 4)) {
		uint64_t *out = (uint64_t *)o->args[0];
		memcpy(out, o->geometry, sizeof o->geometry);
		out[8] = o->f->dynamic;
		out[9] = o->aligned;
		memcpy(out + 10, o->args, 8 * o->f->params);
	} else if (!strncmp(o->f->name, "increment", 9)) {
		++*(uint32_t *)o->args[0];
	} else if (!strncmp(o->f->name, "crash", 5)) {
		sticky = ILLEGAL;
	}
}

// drain does the work up to the last record of an event, or all.
static void drain(event *until) {
	pthread_mutex_lock(&lock);
	int n = queued;
	if (until)
		for (n = queued; n > 0 && !(queue[n - 1].kind == 2 && queue[n - 1].dst == until); n--)
			;
	for (int i = 0; i < n && !sticky; i++) {
		op *o = &queue[i];
		switch (o->kind) {
		case 0: memcpy(o->dst, o->src, o->n); break;
		case 1: for (size_t k = 0; k < o->n; k++) ((uint32_t *)o->dst)[k] = o->word; break;
		case 2: ((event *)o->dst)->launches = launches; break;
		case 3: kernel(o); break;
		}
	}
	memmove(queue, queue + n, (queued - n) * sizeof *queue);
	queued -= n;
	pthread_mutex_unlock(&lock);
}

static int push(op o) {
	if (captured) {
		if (o.kind == 0 || captured->n == sizeof captured->ops / sizeof *captured->ops)
			return INVALID;
		captured->ops[captured->n++] = o;
		return 0;
	}
	if (queued == sizeof queue / sizeof *queue)
		drain(NULL);
	if (sticky)
		return sticky;
	pthread_mutex_lock(&lock);
	queue[queued++] = o;
	pthread_mutex_unlock(&lock);
	return 0;
}

int cuInit(unsigned f) { BEGIN return 0; }
int cuDriverGetVersion(int *v) { BEGIN const char *e = getenv("FAKE_VERSION"); *v = e ? atoi(e) : 12040; return 0; }
int cuDeviceGetCount(int *n) { BEGIN *n = 2; return 0; }
int cuDeviceGet(int *d, int i) { BEGIN if (i < 0 || i > 1) return NODEVICE; *d = i; return 0; }
int cuDeviceGetName(char *s, int n, int d) { BEGIN snprintf(s, n, d ? "Old GPU" : "Fake GPU"); return 0; }
int cuDeviceTotalMem_v2(size_t *n, int d) { BEGIN *n = MEMORY; return 0; }
int cuGetErrorName(int code, const char **s) { *s = code == ILLEGAL ? "CUDA_ERROR_ILLEGAL_ADDRESS" : code == BADPTX ? "CUDA_ERROR_INVALID_PTX" : "CUDA_ERROR_FAKE"; return 0; }
int cuGetErrorString(int code, const char **s) { *s = code == ILLEGAL ? "an illegal memory access was encountered" : "fake failure"; return 0; }

int cuDeviceGetAttribute(int *v, int a, int d) {
	BEGIN
	switch (a) {
	case 75: *v = d ? 3 : 8; return 0;
	case 76: *v = d ? 7 : 6; return 0;
	case 16: *v = 132; return 0;
	case 81: *v = 100 << 10; return 0;
	case 8: *v = 48 << 10; return 0;
	case 97: *v = 99 << 10; return 0;
	case 38: *v = 6 << 20; return 0;
	case 13: *v = 1695000; return 0;
	case 36: *v = 7001000; return 0;
	case 37: *v = 192; return 0;
	}
	return INVALID;
}

int cuCtxCreate_v2(void **c, unsigned flags, int d) { BEGIN context = 1; contexts++; *c = &contexts; return 0; }
int cuCtxDestroy_v2(void *c) { BEGIN if (!context) return NOCONTEXT; context = 0; if (--contexts == 0) used = 0; sticky = queued = 0; return 0; }
int cuMemGetInfo_v2(size_t *free, size_t *total) { BEGIN_CONTEXT *total = MEMORY; *free = MEMORY - used; return 0; }

int cuMemAllocHost_v2(void **p, size_t n) { BEGIN_CONTEXT *p = aligned_alloc(4096, n); return 0; }
int cuMemFreeHost(void *p) { BEGIN_CONTEXT free(p); return 0; }

// Sizes are kept in front of the memory.
int cuMemAlloc_v2(uint64_t *p, size_t n) {
	BEGIN_CONTEXT
	if (n == 0)
		return INVALID;
	if (used + n > MEMORY)
		return NOMEM;
	char *m = aligned_alloc(256, (n + 511) / 256 * 256);
	*(size_t *)m = n;
	used += n;
	*p = (uint64_t)(m + 256);
	return 0;
}

int cuMemFree_v2(uint64_t p) {
	BEGIN_CONTEXT
	drain(NULL);
	char *m = (char *)p - 256;
	used -= *(size_t *)m;
	free(m);
	return sticky;
}

int cuStreamCreate(void **s, unsigned flags) { BEGIN_CONTEXT *s = (void *)0x5; return 0; }
int cuStreamDestroy_v2(void *s) { BEGIN_CONTEXT return 0; }
int cuStreamSynchronize(void *s) { BEGIN_CONTEXT drain(NULL); return sticky; }

int cuEventCreate(event **e, unsigned flags) { BEGIN_CONTEXT *e = calloc(1, sizeof(event)); return 0; }
int cuEventDestroy_v2(event *e) { BEGIN_CONTEXT drain(NULL); free(e); return 0; }
int cuEventRecord(event *e, void *s) { BEGIN_CONTEXT if (s != (void *)0x5) return INVALID; return push((op){.kind = 2, .dst = e}); }
int cuEventSynchronize(event *e) { BEGIN_CONTEXT drain(e); return sticky; }
int cuEventElapsedTime(float *ms, event *a, event *b) { BEGIN_CONTEXT *ms = 0.25f * (b->launches - a->launches); return 0; }

int cuMemcpyHtoDAsync_v2(uint64_t d, const void *h, size_t n, void *s) { BEGIN_CONTEXT return push((op){.dst = (void *)d, .src = h, .n = n}); }
int cuMemcpyDtoHAsync_v2(void *h, uint64_t d, size_t n, void *s) { BEGIN_CONTEXT return push((op){.dst = h, .src = (void *)d, .n = n}); }
int cuMemsetD32Async(uint64_t d, unsigned word, size_t n, void *s) { BEGIN_CONTEXT return push((op){.kind = 1, .dst = (void *)d, .n = n, .word = word}); }

int cuStreamBeginCapture_v2(void *s, int mode) { BEGIN_CONTEXT if (captured || mode != 1 || s != (void *)0x5) return INVALID; captured = calloc(1, sizeof *captured); return 0; }
int cuStreamEndCapture(void *s, graph **g) { graph *c = captured; captured = NULL; BEGIN_CONTEXT if (!c) return INVALID; *g = c; return 0; } // ends it also where it fails
int cuGraphInstantiateWithFlags(graph **e, graph *g, unsigned long long flags) { BEGIN_CONTEXT *e = malloc(sizeof *g); **e = *g; return 0; }
int cuGraphDestroy(graph *g) { BEGIN_CONTEXT free(g); return 0; }
int cuGraphExecDestroy(graph *e) { BEGIN_CONTEXT drain(NULL); free(e); return 0; }
int cuGraphLaunch(graph *e, void *s) {
	BEGIN_CONTEXT
	if (s != (void *)0x5)
		return INVALID;
	for (int i = 0; i < e->n; i++) {
		int code = push(e->ops[i]);
		if (code)
			return code;
	}
	return 0;
}

int cuModuleLoadDataEx(module **m, const char *text, unsigned n, int *options, void **values) {
	BEGIN_CONTEXT
	if (strstr(text, "frobnicate")) {
		char *log = NULL;
		size_t room = 0;
		for (unsigned i = 0; i < n; i++) {
			if (options[i] == 5) log = values[i];
			if (options[i] == 6) room = (size_t)values[i];
		}
		if (log)
			snprintf(log, room, "ptxas application ptx input, line 7; error   : Not a name of any known instruction: 'frobnicate'\n");
		return BADPTX;
	}
	*m = calloc(1, sizeof(module));
	(*m)->text = strdup(text);
	return 0;
}

// Of the kernels that do something the number of parameters is the last digit of the name.
int cuModuleGetFunction(function **f, module *m, const char *name) {
	BEGIN_CONTEXT
	if (!strstr(m->text, name))
		return NOTFOUND;
	*f = calloc(1, sizeof(function));
	snprintf((*f)->name, sizeof (*f)->name, "%s", name);
	if (!strncmp(name, "echo", 4) || !strncmp(name, "increment", 9))
		(*f)->params = name[strlen(name) - 1] - '0';
	return 0;
}

int cuFuncGetAttribute(int *v, int a, function *f) { BEGIN_CONTEXT *v = a == 0 ? 512 : a == 1 ? 1024 : -1; return 0; }
int cuFuncSetAttribute(function *f, int a, int v) { BEGIN_CONTEXT if (a != 8) return INVALID; f->dynamic = v; return 0; }

int cuLaunchKernel(function *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
		unsigned shared, void *stream, void **params, void **extra) {
	BEGIN_CONTEXT
	op o = {.kind = 3, .f = f, .geometry = {gx, gy, gz, bx, by, bz, shared, (uint64_t)stream}, .aligned = 1};
	for (int i = 0; i < f->params; i++) {
		o.aligned &= (uint64_t)params[i] % 8 == 0;
		memcpy(&o.args[i], params[i], 8);
	}
	return push(o);
}
