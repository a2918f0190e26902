#!/usr/bin/env python3
"""Times one training step of the segmenter (or detector) in PyTorch on the CPU.

The network is the one of docs/networks.md: convolution, ReLU, batch norm; skips
before the norm; soft Dice; Adam. Prints one JSON object per run.

    python3 pytorch_step.py --threads 2 --steps 7 [--width 24] [--patch 64] [--batch 1]
        [--up transposed|trilinear] [--model segmenter|detector] [--channels-last]
"""
import argparse
import json
import resource
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def conv(cin, cout):
    return nn.Conv3d(cin, cout, 3, padding=1)


class Encoder(nn.Module):
    def __init__(self, cin, w, dropout):
        super().__init__()
        ends = [cin, w, 2 * w, 2 * w, 4 * w, 4 * w, 8 * w, 16 * w]
        self.convs = nn.ModuleList(conv(a, b) for a, b in zip(ends, ends[1:]))
        self.norms = nn.ModuleList(nn.BatchNorm3d(c) for c in ends[1:7])
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        skips = []
        for i, layer in enumerate(self.convs):
            x = F.relu(layer(x))
            if i == 6:
                return skips + [x]
            if i % 2:
                skips.append(x)
                x = self.dropout(F.max_pool3d(x, 2))
            x = self.norms[i](x)


class Decoder(nn.Module):
    def __init__(self, w, cout, up):
        super().__init__()
        deep, skip, out = [16 * w, 8 * w, 4 * w], [8 * w, 4 * w, 2 * w], [8 * w, 4 * w, 4 * w]
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(c, c, 2, stride=2) if up == "transposed"
            else nn.Upsample(scale_factor=2, mode="trilinear", align_corners=False) for c in deep)
        self.norms = nn.ModuleList(nn.BatchNorm3d(a + b) for a, b in zip(deep, skip))
        self.convs = nn.ModuleList(conv(a + b, c) for a, b, c in zip(deep, skip, out))
        self.out = conv(4 * w, cout)

    def forward(self, levels):
        x = levels[3]
        for i in range(3):
            x = F.relu(self.convs[i](self.norms[i](torch.cat([self.up[i](x), levels[2 - i]], 1))))
        return self.out(x)


class Segmenter(nn.Module):
    def __init__(self, w, up, dropout):
        super().__init__()
        self.encoder, self.decoder = Encoder(1, w, dropout), Decoder(w, 2, up)

    def forward(self, x):
        return self.decoder(self.encoder(x))


class Detector(nn.Module):
    def __init__(self, w, up, dropout):
        super().__init__()
        self.encoder, self.decoder = Encoder(1, w, dropout), Decoder(w, 2, up)
        channels = [2 * w, 4 * w, 8 * w, 16 * w]
        self.norms = nn.ModuleList(nn.BatchNorm3d(2 * c) for c in channels)
        self.fuse = nn.ModuleList(conv(2 * c, c) for c in channels)

    def forward(self, x):
        a, b = self.encoder(x[:, :1]), self.encoder(x[:, 1:])
        return self.decoder([F.relu(f(n(torch.cat([p, q], 1))))
                             for f, n, p, q in zip(self.fuse, self.norms, a, b)])


def dice_loss(logits, target, e=0.01):
    p = logits.softmax(1)
    axes = (0, 2, 3, 4)
    return 1 - ((2 * (p * target).sum(axes) + e) / (p.sum(axes) + target.sum(axes) + e)).mean()


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--steps", type=int, default=7)
    a.add_argument("--width", type=int, default=24)
    a.add_argument("--patch", type=int, default=64)
    a.add_argument("--batch", type=int, default=1)
    a.add_argument("--up", default="transposed", choices=["transposed", "trilinear"])
    a.add_argument("--model", default="segmenter", choices=["segmenter", "detector"])
    a.add_argument("--channels-last", action="store_true")
    o = a.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(1)
    net = {"segmenter": Segmenter, "detector": Detector}[o.model](o.width, o.up, 0.5).train()
    x = torch.randn(o.batch, 1 if o.model == "segmenter" else 2, *[o.patch] * 3)
    t = (torch.rand(o.batch, 1, *[o.patch] * 3) < 0.02).float()
    t = torch.cat([1 - t, t], 1)
    if o.channels_last:
        net, x = net.to(memory_format=torch.channels_last_3d), x.contiguous(memory_format=torch.channels_last_3d)
    adam = torch.optim.Adam(net.parameters(), lr=1e-4)
    seconds, losses = [], []
    for step in range(o.steps + 1):
        start = time.perf_counter()
        adam.zero_grad(set_to_none=True)
        loss = dice_loss(net(x), t)
        loss.backward()
        adam.step()
        losses.append(loss.item())
        if step:  # the first is warm-up
            seconds.append(time.perf_counter() - start)
    seconds.sort()
    print(json.dumps({
        "framework": "PyTorch " + torch.__version__, "model": o.model, "width": o.width, "patch": o.patch,
        "batch": o.batch, "up": o.up, "threads": o.threads, "channels_last": o.channels_last, "steps": o.steps,
        "seconds_min": round(seconds[0], 3), "seconds_median": round(seconds[len(seconds) // 2], 3),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "first_loss": losses[0], "last_loss": losses[-1],
    }))


if __name__ == "__main__":
    main()
