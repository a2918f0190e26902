#!/usr/bin/env python3
"""PyTorch as a contestant of steptime, on the CPU: each line of the standard input
is a kind of pass, each line of the output its answer (see process.go).

The network is the one of docs/networks.md: convolution, ReLU, batch norm; skips
before the norm; soft Dice; Adam.
"""
import argparse
import json
import os
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def conv(cin, cout):
    return nn.Conv3d(cin, cout, 3, padding=1)


def upsample(kind, c):
    if kind == "transposed":
        return nn.ConvTranspose3d(c, c, 2, stride=2)
    return nn.Upsample(scale_factor=2, mode="trilinear", align_corners=False)


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
        self.up = nn.ModuleList(upsample(up, c) for c in deep)
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

    def encode(self, x):
        return self.encoder(x[:, :1]), self.encoder(x[:, 1:])

    def decode(self, a, b):
        return self.decoder([F.relu(f(n(torch.cat([p, q], 1))))
                             for f, n, p, q in zip(self.fuse, self.norms, a, b)])

    def forward(self, x):
        return self.decode(*self.encode(x))


def renamed(weights):
    """The published names of the parameters, as those of the modules here."""
    out = {}
    for name, value in weights.items():
        layer, kind = name.split(".")
        for prefix, module, first in (("conv_out", "decoder.out", None), ("conv", "encoder.convs", 1), ("bn", "encoder.norms", 1), ("up", "decoder.up", None)):
            if layer.startswith(prefix):
                break
        number = 0 if layer == "conv_out" else int(layer[len(prefix):])
        if prefix == "up":
            module = f"{module}.{3 - number}"
        elif first and number >= 8:
            module = f"{module.replace('encoder', 'decoder')}.{number - 8}"
        elif first:
            module = f"{module}.{number - 1}"
        out[f"{module}.{kind}"] = value
    return out


class Layer(nn.Module):
    """One layer by itself, as layers.go has it."""

    def __init__(self, up, first, skip, out, plain, linear):
        super().__init__()
        self.up = upsample(up, first) if up else None
        self.norm = None if plain else nn.BatchNorm3d(first + skip)
        self.conv, self.linear = conv(first + skip, out), linear

    def forward(self, *x):
        if self.up:
            x = (self.up(x[0]),) + x[1:]
        x = torch.cat(x, 1) if len(x) > 1 else x[0]
        x = self.conv(self.norm(x) if self.norm else x)
        return x if self.linear else F.relu(x)


class Pool(nn.Module):
    def forward(self, x):
        return F.dropout(F.max_pool3d(x, 2), 0.5)


def layers(o):
    """Name -> (module, [(channels, level) of the inputs], (channels, level) of the result)."""
    w, at = o.width, {}

    def add(name, first, skip, out, down, up=None, plain=False, linear=False):
        inputs = [(first, down + 1 if up else down)] + ([(skip, down)] if skip else [])
        at[name] = lambda: (Layer(up, first, skip, out, plain, linear), inputs, (out, down))

    def pool(name, c, down):
        at[name] = lambda: (Pool(), [(c, down)], (c, down + 1))

    add("conv1", 1, 0, w, 0, plain=True)
    for level in range(3):
        mid = w << level
        add("conv%d" % (2 * level + 2), mid, 0, 2 * mid, level)
        pool("pool%d" % (level + 1), 2 * mid, level)
        add("conv%d" % (2 * level + 3), 2 * mid, 0, 4 * mid if level == 2 else 2 * mid, level + 1)
    for level in range(4):
        add("fuse%d" % (level + 1), w << level + 1, w << level + 1, w << level + 1, level)
    below = 16 * w
    for level in (2, 1, 0):
        skip = w << level + 1
        add("conv%d" % (10 - level), below, skip, max(skip, 4 * w), level, up=o.up)
        below = max(skip, 4 * w)
    add("conv_out", below, 0, 2, 0, plain=True, linear=True)
    return at


def dice_loss(logits, target, e=0.01):
    p = logits.softmax(1)
    axes = (0, 2, 3, 4)
    return 1 - ((2 * (p * target).sum(axes) + e) / (p.sum(axes) + target.sum(axes) + e)).mean()


class Passes:
    def __init__(self, o):
        self.o, self.last = o, o.format.startswith("channels_last_3d")
        self.net, self.adam, self.layer = None, None, None

    def form(self, x):
        return x.contiguous(memory_format=torch.channels_last_3d) if self.last else x

    def module(self, m):
        m = m.to(memory_format=torch.channels_last_3d) if self.last else m
        return torch.compile(m) if self.o.format.endswith("-compiled") else m

    def cube(self, c, down=0):
        return torch.randn(self.o.batch, c, *[self.o.patch >> down] * 3)

    def network(self):
        if self.net is None:
            kind = {"segmenter": Segmenter, "detector": Detector}[self.o.model]
            self.net = self.module(kind(self.o.width, self.o.up, 0.5))
            self.x = self.form(self.cube(1 if self.o.model == "segmenter" else 2))
            t = (torch.rand(self.o.batch, 1, *[self.o.patch] * 3) < 0.02).float()
            self.t = torch.cat([1 - t, t], 1)
        return self.net

    def prepare(self, what):
        """What is not timed; returns what is."""
        if what == "forward":
            net = self.network().eval()

            def run():
                with torch.no_grad():
                    net(self.x)
            return run
        if what == "step":
            net = self.network().train()
            self.adam = self.adam or torch.optim.Adam(net.parameters(), lr=1e-4)

            def run():
                self.adam.zero_grad(set_to_none=True)
                loss = dice_loss(net(self.x), self.t)
                loss.backward()
                self.adam.step()
                return loss.item()
            return run
        if what.startswith("ensemble"):  # one window of a pair by five detectors
            if self.net is None:
                self.net = [self.module(Detector(self.o.width, self.o.up, 0.5)).eval() for _ in range(5)]
                self.x = self.form(self.cube(2))
            mean = torch.zeros(self.o.batch, *[self.o.patch] * 3)

            def run():
                with torch.no_grad():
                    if what == "ensemble-shared":
                        features = self.net[0].encode(self.x)
                    for net in self.net:
                        y = net.decode(*features) if what == "ensemble-shared" else net(self.x)
                        mean.add_(y.softmax(1)[:, 1], alpha=1 / 5)
            return run
        name, kind = what.split()
        if self.layer != name:
            self.layer = name
            m, inputs, out = layers(self.o)[name]()
            self.m = self.module(m.train())
            self.inputs = [self.form(self.cube(*i)).requires_grad_(name != "conv1") for i in inputs]
            self.dy = self.form(self.cube(*out))
        forward = lambda: self.m(*self.inputs)
        if kind == "forward":
            return forward
        for p in list(self.m.parameters()) + self.inputs:
            p.grad = None
        y = forward()
        return lambda: y.backward(self.dy)


def used():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime, u.ru_maxrss * 1024


def main():
    a = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("threads", "width", "patch", "batch"):
        a.add_argument("-" + name, type=int, required=True)
    for name in ("model", "up", "format"):
        a.add_argument("-" + name, required=True)
    o = a.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(1)
    hello = {"name": "PyTorch %s, %s" % (torch.__version__.split("+")[0], o.format)}
    if o.format.endswith("-compiled"):
        from torch._inductor import config
        if os.environ.get("ATEN_CPU_CAPABILITY") == "avx2":
            config.cpp.simdlen = 256
        try:  # needs a C++ compiler
            torch.compile(lambda x: x.sin() + 1)(torch.ones(64))
        except Exception as e:
            hello["skip"] = "torch.compile does not work here: " + str(e).strip().splitlines()[0]
    hello["peak_bytes"] = used()[1]
    print(json.dumps(hello), flush=True)
    passes = Passes(o)
    for line in sys.stdin:
        run = passes.prepare(line.strip())
        cpu, start = used()[0], time.perf_counter()
        loss = run()
        seconds = time.perf_counter() - start
        after, size = used()
        answer = {"seconds": seconds, "processor_seconds": after - cpu, "peak_bytes": size}
        if isinstance(loss, float):
            answer["loss"] = loss
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
