#!/usr/bin/env python3
"""Compiles wgmma.cu to PTX 8.0 for compute_90a, which nvcc 11.8 does not know, with NVRTC of CUDA 12.0:

    pip install nvidia-cuda-nvrtc-cu12==12.0.140
    compile.py SITE-PACKAGES/nvidia/cuda_nvrtc/lib/libnvrtc.so.12 > tools/probe/hopper/wgmma.sm_90a.ptx
"""
import ctypes
import sys
from pathlib import Path

nvrtc = ctypes.CDLL(sys.argv[1])


def check(code):
    assert code == 0, code


program = ctypes.c_void_p()
source = (Path(__file__).parent / "wgmma.cu").read_bytes()
check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"wgmma.cu", 0, None, None))
options = (ctypes.c_char_p * 2)(b"--gpu-architecture=compute_90a", b"--std=c++17")
failed = nvrtc.nvrtcCompileProgram(program, len(options), options)
size = ctypes.c_size_t()
if failed:
    check(nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size)))
    log = ctypes.create_string_buffer(size.value)
    check(nvrtc.nvrtcGetProgramLog(program, log))
    sys.exit(log.value.decode())
check(nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size)))
text = ctypes.create_string_buffer(size.value)
check(nvrtc.nvrtcGetPTX(program, text))
lines = [l for l in text.value.decode().splitlines() if not l.startswith("//")]
print("// Compiled from wgmma.cu for sm_90a by compile.py. Do not edit.\n" + "\n".join(lines).lstrip("\n"))
