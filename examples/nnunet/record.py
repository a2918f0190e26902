"""Records what PyTorch makes of the network of this example, for its test: outputs, gradients and losses of five steps of
Adam, computed in float64. Needs torch, numpy and safetensors:  python record.py testdata/pytorch.safetensors"""
import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import one_hot


def block(cin, cout, stride):  # conv, norm, nonlinearity, as in dynamic_network_architectures
    return nn.ModuleDict({
        "conv": nn.Conv3d(cin, cout, 3, stride, 1),
        "norm": nn.InstanceNorm3d(cout, eps=1e-5, affine=True),
    })


class Stage(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.convs = nn.ModuleList([block(cin, cout, stride), block(cout, cout, 1)])

    def forward(self, x):
        for b in self.convs:
            x = nn.functional.leaky_relu(b["norm"](b["conv"](x)), 0.01)
        return x


class NNUNet(nn.Module):
    def __init__(self, widths, cin=1, classes=2):
        super().__init__()
        self.encoder, self.decoder = nn.Module(), nn.Module()
        self.encoder.stages = nn.ModuleList(
            nn.Sequential(Stage(a, b, 2 if i else 1)) for i, (a, b) in enumerate(zip([cin] + widths, widths)))
        up = list(zip(widths[:0:-1], widths[-2::-1]))
        self.decoder.transpconvs = nn.ModuleList(nn.ConvTranspose3d(a, b, 2, 2) for a, b in up)
        self.decoder.stages = nn.ModuleList(Stage(2 * b, b, 1) for _, b in up)
        self.decoder.seg_layers = nn.ModuleList([nn.Conv3d(widths[0], classes, 1)])

    def forward(self, x):
        skips = []
        for s in self.encoder.stages:
            x = s(x)
            skips.append(x)
        skips.pop()
        for up, stage in zip(self.decoder.transpconvs, self.decoder.stages):
            x = stage(torch.cat([up(x), skips.pop()], 1))
        return self.decoder.seg_layers[0](x)


def loss(logits, g, eps=0.01):
    p = logits.softmax(1)
    axes = (0, 2, 3, 4)
    dice = (2 * (p * g).sum(axes) + eps) / (p.sum(axes) + g.sum(axes) + eps)
    return 1 - dice.mean() - (g * logits.log_softmax(1)).sum() / g[:, 0].numel()


def main(path):
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float64)
    net = NNUNet([4, 6, 8])
    with torch.no_grad():
        for name, p in net.named_parameters():
            if "norm" in name:
                p.add_(0.2 * torch.randn_like(p))
            p.copy_(p.float())  # what the file holds
    x = torch.randn(2, 1, 8, 4, 8).float().double()
    g = one_hot((torch.rand(2, 8, 4, 8) > 0.7).long(), 2).permute(0, 4, 1, 2, 3).double()
    out = {"x": x, "target": g}
    out.update({"weight/" + n: p.detach().clone() for n, p in net.named_parameters()})
    out["y"] = net(x).detach()
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for step in range(5):
        adam.zero_grad()
        value = loss(net(x), g)
        value.backward()
        losses.append(value.item())
        if step == 0:
            out.update({"grad/" + n: p.grad.clone() for n, p in net.named_parameters()})
        adam.step()
    out["losses"] = torch.tensor(losses)
    out = {n: t.double().contiguous() if n == "losses" else t.float().contiguous() for n, t in out.items()}
    save_file(out, path, {"pytorch": torch.__version__.split("+")[0]})


main(sys.argv[1])
