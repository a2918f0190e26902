#!/usr/bin/env python3
"""What a card can do at most, and whether one question of the design for Hopper has the answer hoped for; see README.md.

    python3 probe.py

Needs NVIDIA's driver and nothing else. Results are lines of JSON. The PTX must be beside this file, or in hopper/ there.
"""
import ctypes
import json
import random
import struct
import sys
import time
from pathlib import Path

here = Path(__file__).parent
try:
    cuda = ctypes.CDLL("libcuda.so.1")
except OSError as e:
    sys.exit("probe: no driver: %s" % e)


def call(name, *args):
    code = getattr(cuda, name)(*args)
    if code:
        text = ctypes.c_char_p()
        cuda.cuGetErrorString(code, ctypes.byref(text))
        sys.exit("probe: %s: %s (%d)" % (name, (text.value or b"").decode(), code))


def say(what, value, unit="", **more):
    print(json.dumps(dict(part="probe", what=what, value=value, unit=unit, **more)), flush=True)


def attribute(a):
    v = ctypes.c_int()
    call("cuDeviceGetAttribute", ctypes.byref(v), a, device)
    return v.value


def load(name):
    path = next(p for p in (here / name, here / "hopper" / name) if p.exists())
    m = ctypes.c_void_p()
    call("cuModuleLoadData", ctypes.byref(m), path.read_bytes() + b"\0")
    return m


def function(module, name):
    f = ctypes.c_void_p()
    call("cuModuleGetFunction", ctypes.byref(f), module, name.encode())
    return f


def alloc(size):
    p = ctypes.c_uint64()
    call("cuMemAlloc_v2", ctypes.byref(p), ctypes.c_size_t(size))
    return p


def launch(f, blocks, threads, shared, *args):
    params = (ctypes.c_void_p * len(args))(*(ctypes.cast(ctypes.pointer(a), ctypes.c_void_p) for a in args))
    call("cuLaunchKernel", f, blocks, 1, 1, threads, 1, 1, shared, None, params, None)


def seconds(run):
    """The best of five, by events."""
    best = None
    events = [ctypes.c_void_p() for _ in range(2)]
    for e in events:
        call("cuEventCreate", ctypes.byref(e), 0)
    for _ in range(6):  # the first warms up
        call("cuEventRecord", events[0], None)
        run()
        call("cuEventRecord", events[1], None)
        call("cuEventSynchronize", events[1])
        ms = ctypes.c_float()
        call("cuEventElapsedTime", ctypes.byref(ms), *events)
        best = min(best or ms.value, ms.value)
    return max(best, 1e-6) / 1e3


def ceilings():
    module = load("ceilings.sm_80.ptx")
    blocks, rounds = 8 * attribute(16), 4000
    y = alloc(4 * 256 * blocks)
    for name, flops in ("mma_bf16", 4096), ("mma_tf32", 2048):
        f = function(module, name)
        took = seconds(lambda: launch(f, blocks, 256, 0, y, ctypes.c_int(rounds)))
        say(name.replace("mma_", "mma.sync, ") + ", sums in fp32", 8 * 8 * blocks * rounds * flops / took / 1e12, "TFLOP/s")
    f, size = function(module, "copy"), 1 << 30
    a, b = alloc(size), alloc(size)
    call("cuMemsetD32_v2", a, 1, ctypes.c_size_t(size // 4))
    took = seconds(lambda: launch(f, blocks, 256, 0, b, a, ctypes.c_int64(size // 16)))
    say("copy of 1 GiB, read and written", 2 * size / took / 1e9, "GB/s")
    for p in a, b, y:
        call("cuMemFree_v2", p)


def tensor_map(x):
    """x as (8, W, H, D, C/8) of bf16, in boxes of the halo. Its 128 bytes are to be at a multiple of 64."""
    space = (ctypes.c_uint8 * 192)()
    at = -ctypes.addressof(space) % 64
    m = (ctypes.c_uint8 * 128).from_buffer(space, at)
    dims, strides = (ctypes.c_uint64 * 5)(8, 8, 8, 4, 6), (ctypes.c_uint64 * 4)(16, 128, 1024, 4096)
    box, steps = (ctypes.c_uint32 * 5)(8, 10, 10, 6, 6), (ctypes.c_uint32 * 5)(1, 1, 1, 1, 1)
    bfloat16 = 9
    call("cuTensorMapEncodeTiled", m, bfloat16, 5, x, dims, strides, box, steps, 0, 0, 0, 0)
    return bytes(m)


def wgmma():
    module = load("wgmma.sm_90a.ptx")
    tile, plain = function(module, "tile"), function(module, "plain")
    draw = random.Random(1)

    def numbers(n):  # bf16 of [-1, 1)
        return b"".join(struct.pack("<f", draw.uniform(-1, 1))[2:] for _ in range(n))

    def upload(data):
        p = alloc(len(data))
        call("cuMemcpyHtoD_v2", p, data, ctypes.c_size_t(len(data)))
        return p

    x, w = upload(numbers(48 * 4 * 8 * 8)), upload(numbers(27 * 48 * 96))
    m = upload(tensor_map(x))  # cuMemAlloc aligns to 256
    shared = 48 * 1200 + 48 * 96 * 2
    call("cuFuncSetAttribute", tile, 8, shared)
    y = [alloc(4 * 256 * 96) for _ in range(2)]

    def apart(first, behind):
        """The largest difference of the two kernels over taps, and the largest value."""
        taps = ctypes.c_int(first), ctypes.c_int(behind)
        for p in y:
            call("cuMemsetD32_v2", p, 0x7FC00000, ctypes.c_size_t(256 * 96))
        launch(tile, 1, 128, shared, y[0], m, w, *taps)
        launch(plain, 256, 96, 0, y[1], x, w, *taps)
        call("cuCtxSynchronize")
        out = []
        for p in y:
            host = (ctypes.c_float * (256 * 96))()
            call("cuMemcpyDtoH_v2", host, p, ctypes.c_size_t(4 * 256 * 96))
            out.append(host)
        worst = max((abs(a - b) if a == a else float("inf")) for a, b in zip(*out))
        return worst, max(map(abs, out[1]))

    wrong = []
    for tap in range(27):
        off, size = apart(tap, tap + 1)
        if not off <= 1e-3 * size:
            wrong.append(tap)
    off, size = apart(0, 27)
    say("wgmma from a halo by TMA, taps by shifted descriptors: taps of 27 that are not the plain loop's", len(wrong), "", wrong=wrong)
    say("the same, all taps in one sum: largest difference over largest value", off / size if off < float("inf") else -1, "")


call("cuInit", 0)
device = ctypes.c_int()
call("cuDeviceGet", ctypes.byref(device), 0)
context = ctypes.c_void_p()
call("cuCtxCreate_v2", ctypes.byref(context), 0, device)
begin = time.time()
compute = 10 * attribute(75) + attribute(76)
if compute >= 80:
    ceilings()
else:
    say("mma.sync and copy", None, "left out: the card has no tensor cores for bf16")
if compute == 90:
    wgmma()  # last: a fault there loses the context
else:
    say("wgmma", None, "left out: it is of compute capability 9.0 alone")
say("probe", time.time() - begin, "s")
