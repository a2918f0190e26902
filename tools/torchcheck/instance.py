"""Records what PyTorch makes of a generator with instance norm, trained with clipped gradients, by the Python of docs/networks.md:

    python tools/torchcheck/instance.py models/testdata

Needs torch and safetensors. Everything is computed in float64 and stored as float32."""
import json
import re
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

out = Path(sys.argv[1])
docs = Path(__file__).parents[2] / "docs" / "networks.md"
space = {}
exec(re.search(r"```python\n(.*?)```", docs.read_text(), re.S).group(1), space)
net = space["net"]

width, batch, edge, clip, steps = 2, 2, 16, 1.5, 10  # the first steps have longer gradients, the last shorter ones
draw = torch.Generator().manual_seed(7)


def normal(*shape):
    return torch.randn(*shape, generator=draw, dtype=torch.float64).float().double()


p = {}


def conv(name, cin, cout):
    p[name + ".weight"] = (normal(cout, cin, 3, 3, 3) * (2 / (27 * cin)) ** 0.5).float().double()
    p[name + ".bias"] = normal(cout) * 0.1


def norm(name, c):
    p[name + ".weight"] = 1 + normal(c) * 0.2
    p[name + ".bias"] = normal(c) * 0.2


conv("conv1", 2, width)
for l in range(3):
    mid = width << l
    norm(f"bn{2 * l + 1}", mid)
    conv(f"conv{2 * l + 2}", mid, 2 * mid)
    norm(f"bn{2 * l + 2}", 2 * mid)
    conv(f"conv{2 * l + 3}", 2 * mid, 2 * mid if l < 2 else 4 * mid)
below = 16 * width
for l in 2, 1, 0:
    skip = width << (l + 1)
    to = max(skip, 4 * width)
    p[f"up{l + 1}.weight"] = normal(below, below, 2, 2, 2) * below**-0.5
    p[f"up{l + 1}.bias"] = normal(below) * 0.1
    norm(f"bn{10 - l}", below + skip)
    conv(f"conv{10 - l}", below + skip, to)
    below = to
conv("conv_out", below, 1)
p = {k: v.float().double().requires_grad_() for k, v in p.items()}
weights = {k: v.detach().float().contiguous().clone() for k, v in p.items()}

# Samples of unlike scale, so that statistics over the batch would show.
scale = torch.tensor([1.0, 3.0], dtype=torch.float64)[:, None, None, None, None]
x = ((1 + 0.5 * normal(batch, 2, edge, edge, edge)) * scale).float().double()
target = normal(batch, 1, edge, edge, edge)
golden = {"x": x, "target": target, "y_eval": net(p, x).detach()}
golden["y_train"] = golden["y_eval"].clone()
adam = torch.optim.Adam(p.values(), lr=1e-3)
losses, norms = [], []
for _ in range(steps):
    loss = ((net(p, x) - target) ** 2).mean()
    adam.zero_grad()
    loss.backward()
    losses.append(loss.item())
    golden.update({"grad/" + k: v.grad.clone() for k, v in p.items()})  # the last step's stay
    norms.append(torch.nn.utils.clip_grad_norm_(p.values(), clip).item())
    adam.step()
golden["y_eval_after"] = net(p, x).detach()
print("norms", norms)
meta = {"losses": json.dumps(losses), "norms": json.dumps(norms), "clip_norm": str(clip), "loss": "mse", "optimizer": "adam lr=1e-3",
        "dropout": "0", "steps": str(steps), "computed_in": "float64", "pytorch": torch.__version__.split("+")[0]}
save_file(weights, out / "generator_instance.weights.safetensors", {"model": "generator", "norm": "instance"})
save_file({k: v.float().contiguous() for k, v in golden.items()}, out / "generator_instance.golden.safetensors", meta)
