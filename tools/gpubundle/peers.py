#!/usr/bin/env python3
"""Training steps of this program and of PyTorch in turn on one GPU, and losses of both from equal weights.

    peers.py steps|losses --program ./gpubundle --until EPOCH [--small]

Results are lines of JSON on the standard output, as they come. The program's turns are processes of their own; PyTorch's
networks are those of tools/steptime/pytorch.py, which must be beside this file. Nothing is begun after --until. Without a
PyTorch that can use the GPU the program is measured alone, and a line says why.
"""
import argparse
import json
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODES = {  # name: (autocast to bf16, TF32, channels_last_3d, torch.compile's mode)
    "fp32": (False, False, False, None),
    "TF32": (False, True, False, None),
    "AMP bf16": (True, True, False, None),
    "AMP bf16 channels_last_3d": (True, True, True, None),
    "AMP bf16 channels_last_3d compiled": (True, True, True, "default"),
    "AMP bf16 channels_last_3d compiled, CUDA graph": (True, True, True, "reduce-overhead"),
}
EAGER = [m for m in MODES if MODES[m][3] is None]
SIZES = [("segmenter", 1), ("detector", 1), ("segmenter", 2), ("segmenter", 8), ("detector", 2), ("detector", 8)]


def say(**result):
    print(json.dumps(result), flush=True)


def images(model, batch, patch):
    """What models/passes makes: the same numbers for each time point; a class where they are above 0.9."""
    i = torch.arange(batch * patch**3, dtype=torch.int64)
    x = ((i * 2654435761 >> 8 & 0xFFFF).float() / (1 << 16)).reshape(batch, 1, patch, patch, patch)
    lesion = (x > 0.9).float()
    x = x if model == "segmenter" else torch.cat([x, x], 1)
    return x.to(device), torch.cat([1 - lesion, lesion], 1).to(device)


def weights(path):
    """The tensors of a safetensors file."""
    data = path.read_bytes()
    n = struct.unpack("<Q", data[:8])[0]
    out = {}
    for name, t in json.loads(data[8:8 + n]).items():
        if name != "__metadata__":
            assert t["dtype"] == "F32", (name, t)
            a, b = (8 + n + k for k in t["data_offsets"])
            out[name] = torch.frombuffer(bytearray(data[a:b]), dtype=torch.float32).reshape(t["shape"])
    return out


class Trainer:
    def __init__(self, model, batch, mode, dropout=0.5, start=None):
        amp, tf32, last, compiled = MODES[mode]
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True
        kind = {"segmenter": networks.Segmenter, "detector": networks.Detector}[model]
        net = kind(o.width, "transposed", dropout)
        if start is not None:
            missing, unexpected = net.load_state_dict(networks.renamed(start), strict=False)
            assert not unexpected and all("num_batches" in k for k in missing), (missing, unexpected)
        layout = torch.channels_last_3d if last else torch.contiguous_format
        net = net.to(device).to(memory_format=layout).train()
        if model == "detector":  # as it trains
            net.encoder.requires_grad_(False).eval()
        self.adam = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], 1e-4)
        self.x, self.target = images(model, batch, o.patch)
        self.x, self.amp = self.x.to(memory_format=layout), amp
        self.net = torch.compile(net, mode=compiled) if compiled else net

    def step(self):
        self.adam.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=self.amp):
            logits = self.net(self.x)
        loss = networks.dice_loss(logits.float(), self.target)
        loss.backward()
        self.adam.step()
        return loss.detach()


def sync():
    if device == "cuda":
        torch.cuda.synchronize()


def pytorch_steps(model, batch, mode):
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    t = Trainer(model, batch, mode)
    for _ in range(4 if MODES[mode][3] is None else 8):
        t.step()
    sync()

    def run(n):
        start = time.perf_counter()
        for _ in range(n):
            t.step()
        sync()
        return (time.perf_counter() - start) / n

    one = run(2)
    each = max(1, min(1000, int(o.seconds / 5 / one)))
    seconds = sorted(run(each) for _ in range(5))
    say(part="steps", who="PyTorch " + mode, model=model, batch=batch, width=o.width, patch=o.patch, seconds=statistics.median(seconds), fastest_s=seconds[0],
        slowest_s=seconds[-1], steps=5 * each, peak_bytes=torch.cuda.max_memory_allocated() if device == "cuda" else 0, pytorch=torch.__version__)


def ours(*args):
    run = subprocess.run([o.program, *args, *("-%s=%d" % (k, getattr(o, k)) for k in ("width", "patch"))], capture_output=True, text=True,
                         timeout=max(5, o.until - time.time()))
    if run.returncode:
        say(part=o.part, what=" ".join(args), failed=run.stderr.strip()[-300:])
    else:
        print(run.stdout, end="", flush=True)
    return run.returncode == 0


def turns():
    """Contestants in turn, the sizes in order of worth, what compiles last."""
    for model, batch in SIZES:
        pairs = [("bf16", "AMP bf16 channels_last_3d"), ("tf32", "TF32"), ("fp32", "fp32"), (None, "AMP bf16")]
        for precision, mode in pairs:
            if precision:
                yield model, batch, precision, None
            yield model, batch, None, mode
    for model, batch in SIZES:
        for mode in MODES:
            if mode not in EAGER:
                yield model, batch, None, mode


def steps():
    for model, batch, precision, mode in turns():
        if time.time() > o.until - 3:
            say(part="steps", what="left out for lack of time: %s, batch %d, %s" % (model, batch, precision or mode))
            continue
        try:
            if precision:
                ours("step", "-model", model, "-batch", str(batch), "-precision", precision, "-seconds", str(o.seconds))
            elif torch and not (o.small and mode not in EAGER):
                pytorch_steps(model, batch, mode)
        except Exception as e:  # the others are still worth having
            say(part="steps", what="%s, batch %d, %s" % (model, batch, precision or mode), failed=str(e).strip()[-300:])


def losses():
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start.safetensors"
        first = True
        for precision in ("fp32", "bf16", "tf32"):
            made = ours("losses", "-precision", precision, "-steps", str(o.count), *(["-cpu"] if o.cpu else []), *(["-weights", str(start)] if first else []))
            first = first and not made
        if not torch:
            return
        for mode in ("fp32", "TF32", "AMP bf16 channels_last_3d"):
            if time.time() > o.until - 3:
                say(part="losses", what="left out for lack of time: " + mode)
                continue
            t = Trainer("segmenter", 1, mode, dropout=0, start=weights(start))
            say(part="losses", who="PyTorch " + mode, model="segmenter", losses=[t.step().item() for _ in range(o.count)])


a = argparse.ArgumentParser()
a.add_argument("part", choices=["steps", "losses"])
a.add_argument("--program", required=True)
a.add_argument("--until", type=float, required=True)
a.add_argument("--small", action="store_true", help="sizes that take a moment: to try this file")
a.add_argument("--cpu", action="store_true", help="steps of PyTorch, and losses of both, on the processor: to try this file")
o = a.parse_args()
o.width, o.patch, o.seconds, o.count = (1, 16, 0.05, 3) if o.small else (24, 64, 1.0, 50)
SIZES = SIZES[:2] if o.small else SIZES
try:
    import torch

    sys.path.insert(0, str(Path(__file__).parent))
    import pytorch as networks

    device = "cpu" if o.cpu else "cuda"
    if not (o.cpu or torch.cuda.is_available()):
        raise ImportError("this PyTorch (%s) cannot use the GPU" % torch.__version__)
except ImportError as e:
    torch = None
    say(part=o.part, what="PyTorch is left out: %s" % e)
{"steps": steps, "losses": losses}[o.part]()
