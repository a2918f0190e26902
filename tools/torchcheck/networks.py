"""Runs the Python of docs/networks.md on networks and images written by the Go test, and records what comes out:

    VOXGRAD_RECORD=/tmp/r go test -run TestPyTorchOfTheDocs ./train/infer
    python tools/torchcheck/networks.py /tmp/r train/infer/testdata/networks_md.safetensors

Needs torch, numpy and safetensors."""
import hashlib
import re
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

folder, out = Path(sys.argv[1]), sys.argv[2]
docs = Path(__file__).parents[2] / "docs" / "networks.md"
code = re.search(r"```python\n(.*?)```", docs.read_text(), re.S).group(1)
space = {}
exec(code, space)
images = load_file(folder / "images.safetensors")  # [x, y, z], 0 outside the brain
recorded = {}
ready = []
for name in sorted(images):
    array = images[name].double()
    scale = space["kde_scale"](array[array != 0])
    recorded["scale_" + name] = scale.reshape(1)
    ready.append((array / scale).float()[None, None])
for kind, n in ("segmenter", 1), ("detector", 2):
    weights = load_file(folder / (kind + ".safetensors"))
    p = space["net"](weights, *ready[:n]).softmax(1)[0, 1]
    recorded[kind] = p * (images["time1"] != 0)
recorded = {k: v.contiguous() for k, v in recorded.items()}
meta = {"pytorch": torch.__version__.split("+")[0], "sha256": hashlib.sha256(code.encode()).hexdigest()}
save_file(recorded, out, meta)
