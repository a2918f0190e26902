"""Holds steps of package prepare against SimpleITK's N4 and dipy's non-local means.

    go build -o /tmp/preparecheck ./tools/preparecheck
    python tools/preparecheck/compare.py bias /tmp/preparecheck SEED SCAN MASK LESIONS [SCAN MASK LESIONS ...]
    python tools/preparecheck/compare.py denoise /tmp/preparecheck LABELS

bias: fields of a logarithm with a standard deviation of 0, 0.1 and 0.2 in the mask are planted
on real scans. "error" is the standard deviation, in the mask, of what is found less what is
found on the scan as it is less what was planted; "lesions" is by how much their
contrast with the tissue 2 to 5 voxels around is changed beyond the planted field. N4 runs as its
users' guide has it: on every 4 mm, four levels of 50 iterations.
denoise: a FLAIR made from a map of FreeSurfer's labels of a whole head, with Rician noise of
known strength, which both are told. "left" is the root mean square of what differs from the
image without noise, white matter being 1: in the head, in tissue more than 2 voxels from another (flat)
and in the rest of it (borders).
"""
import os
import subprocess
import sys
import tempfile
import time

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter, maximum_filter, minimum_filter, zoom

TMP = tempfile.mkdtemp()


def path(name):
    return os.path.join(TMP, name)


def write(name, data, affine):
    nib.save(nib.Nifti1Image(data, affine), path(name))
    return path(name)


def read(name):
    return np.asarray(nib.load(name).dataobj, dtype=np.float32)


def own(program, *args):
    before = os.times().children_user
    out = subprocess.run([program, *args], check=True, capture_output=True, text=True).stdout.split()
    return float(out[0]), os.times().children_user - before


def n4(image, mask, spacing):
    import SimpleITK as sitk
    itk = [sitk.GetImageFromArray(np.transpose(x)) for x in (image, mask.astype(np.uint8))]
    for i in itk:
        i.SetSpacing([float(s) for s in spacing])
    wall, cpu = time.time(), time.process_time()
    shrink = [max(1, round(4 / float(s))) for s in spacing]
    n = sitk.N4BiasFieldCorrectionImageFilter()
    n.Execute(*[sitk.Shrink(i, shrink) for i in itk])
    field = sitk.GetArrayFromImage(n.GetLogBiasFieldAsImage(itk[0]))
    return np.transpose(field), time.time() - wall, time.process_time() - cpu


def bias(program, files, seed):
    for scan, mask, lesions in zip(files[::3], files[1::3], files[2::3]):
        header, image = nib.load(scan), read(scan)
        inside = (read(mask) > 0) & (image > 0)
        lesion = (read(lesions) > 0) & inside
        ring = binary_dilation(lesion, iterations=5) & ~binary_dilation(lesion, iterations=2) & inside
        spacing = np.sqrt((header.affine[:3, :3] ** 2).sum(0))
        base = {}
        for k, sd in enumerate((0, 0.1, 0.1, 0.2)):
            coarse = np.random.default_rng(seed + k).normal(size=(3, 3, 3))
            field = zoom(coarse, [n / 3 for n in image.shape], order=3, mode="nearest", grid_mode=True)
            field = (field - field[inside].mean()) / field[inside].std() * sd
            planted = (image * np.exp(field)).astype(np.float32)
            for tool in ("voxgrad", "N4"):
                if tool == "N4":
                    found, wall, cpu = n4(planted, inside, spacing)
                else:
                    m = write("mask.nii", inside.astype(np.uint8), header.affine)
                    wall, cpu = own(program, "bias", write("scan.nii", planted, header.affine), m, path("field.nii"))
                    found = np.log(read(path("field.nii")))
                base.setdefault(tool, found)
                left = np.exp(field - found)
                print(f"{scan} {tool:8s} planted {sd:.1f} error {(found - base[tool] - field)[inside].std():.4f}"
                      f" lesions {left[lesion].mean() / left[ring].mean() - 1:+.1%} wall {wall:.1f} s cpu {cpu:.1f} s", flush=True)


TISSUES = {24: 90, 502: 50, 506: 100, 507: 200, 508: 150, 509: 200, 511: 250, 512: 250, 514: 60, 515: 30, 516: 180,
           530: 200, 85: 250, 57: 380, 25: 380, 0: 0, **dict.fromkeys((2, 41, 7, 46, 16), 250),
           **dict.fromkeys((3, 42, 8, 47, 17, 18, 53, 54), 310), **dict.fromkeys((4, 43, 5, 44, 14, 15, 72, 30, 62), 60)}


def denoise(program, labels):
    from dipy.denoise.nlmeans import nlmeans
    image = nib.as_closest_canonical(nib.load(labels))
    classes = np.asanyarray(image.dataobj).astype(int)
    clean = np.full(classes.shape, 290.0)
    for label, value in TISSUES.items():
        clean[classes == label] = value
    box = np.s_[40:210, 30:220, 130:160]
    flat = (maximum_filter(clean, 5) == minimum_filter(clean, 5))[box]
    clean = gaussian_filter(clean, 0.6)[box]
    head = clean > 20
    rng = np.random.default_rng(0)
    for share in (0.04, 0.08):
        sigma = share * 250
        noisy = np.hypot(clean + sigma * rng.normal(size=clean.shape), sigma * rng.normal(size=clean.shape)).astype(np.float32)
        scan = write("noisy.nii", noisy, image.affine)

        def tell(name, x, took=""):
            left = [np.sqrt(((x - clean)[m] ** 2).mean()) / 250 for m in (head, head & flat, head & ~flat)]
            print(f"noise {share} {name}: left {left[0]:.4f}, flat {left[1]:.4f}, borders {left[2]:.4f} {took}", flush=True)

        tell("as it is", noisy)
        for given in (sigma, 0):
            _, cpu = own(program, "denoise", scan, path("out.nii"), str(given))
            tell(f"voxgrad, noise {'given' if given else 'estimated'}", read(path("out.nii")), f"cpu {cpu:.1f} s")
        for method, patch, reach in (("classic", 1, 3), ("classic", 1, 5), ("blockwise", 1, 2), ("blockwise", 1, 3), ("blockwise", 2, 2)):
            cpu = time.process_time()
            out = nlmeans(noisy.astype(np.float64), sigma=sigma, patch_radius=patch, block_radius=reach, rician=True, method=method)
            tell(f"dipy {method}, patches {2 * patch + 1}, {reach} voxels searched to each side", out, f"cpu {time.process_time() - cpu:.1f} s")


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 3 else ""
    if what == "bias" and len(sys.argv) % 3 == 1 and sys.argv[3].isdigit():
        bias(sys.argv[2], sys.argv[4:], int(sys.argv[3]))
    elif what == "denoise":
        denoise(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)
