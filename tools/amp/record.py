#!/usr/bin/env python3
"""Records what PyTorch's automatic mixed precision (bf16 autocast on the CPU) makes of the recorded networks: the losses
of ten updates by Adam at 1e-3, in two memory formats, and from weights nudged in the last bit or two of fp32: their distances
are how far runs of the same training part.

    python3 tools/amp/record.py ../shared/vectors/network > cuda/testdata/amp.json

Some of PyTorch's runs end in NaN, four of twelve when this was last run; these are left out.

The same ten updates in float64 must give the losses that are recorded beside the weights; else it stops.
"""
import json
import math
import pathlib
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "steptime"))
import pytorch as networks  # noqa: E402

NAMES = {"unet_transposed": "transposed", "unet_trilinear": "trilinear"}


def losses(weights, x, target, up, dtype=torch.float32, layout=torch.contiguous_format, amp=False):
    net = networks.Segmenter(4, up, 0).to(dtype)
    missing, unexpected = net.load_state_dict({k: v.to(dtype) for k, v in networks.renamed(weights).items()}, strict=False)
    assert not unexpected and all("num_batches" in k for k in missing), (missing, unexpected)
    net = net.to(memory_format=layout).train()
    x, target = x.to(dtype).to(memory_format=layout), target.to(dtype)
    adam = torch.optim.Adam(net.parameters(), 1e-3)
    seen = []
    for _ in range(10):
        adam.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            logits = net(x)
        loss = networks.dice_loss(logits.to(dtype), target)
        loss.backward()
        adam.step()
        seen.append(loss.item())
    return seen


def nudged(weights, seed):
    """Floating-point weights with relative changes of at most 2^-23, rounded to fp32."""
    draw = torch.Generator().manual_seed(seed)
    return {k: (v.double() * (1 + (torch.rand(v.shape, generator=draw, dtype=torch.float64) - 0.5) * 2.0**-22)).float() if v.is_floating_point() else v
            for k, v in weights.items()}


def main(folder):
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    out = {"pytorch": torch.__version__}
    for name, up in NAMES.items():
        weights, golden = (load_file(f"{folder}/{name}.{part}.safetensors") for part in ("weights", "golden"))
        with safe_open(f"{folder}/{name}.golden.safetensors", "pt") as f:
            recorded = json.loads(f.metadata()["losses"])
        run = [weights, golden["x"], golden["target"], up]
        exact = losses(*run, dtype=torch.float64)
        worst = max(abs(a - b) for a, b in zip(exact, recorded))
        assert worst < 1e-6, (name, worst)
        out[name] = {
            "contiguous": losses(*run, amp=True),
            "channels_last": losses(*run, amp=True, layout=torch.channels_last_3d),
            "nudged": [r for r in (losses(nudged(weights, seed), *run[1:], amp=True) for seed in range(1, 5)) if all(map(math.isfinite, r))],
        }
    json.dump(out, sys.stdout, indent=1)
    print()


main(sys.argv[1])
