#!/usr/bin/env python3
"""Makes NIfTI files of all kinds, right and wrong, and records what nibabel and SimpleITK read.

    python3 -m venv venv && venv/bin/pip install -r tools/nibabelcheck/requirements.txt
    venv/bin/python tools/nibabelcheck/nibabelcheck.py volume/testdata/nibabel.json.gz

A test of package volume reads the same files and compares. Files are made field by field,
not by a library, from a fixed seed.
"""
import base64, gzip, json, os, struct, sys, tempfile, warnings
import numpy as np
import nibabel as nib
import SimpleITK as sitk

warnings.simplefilter("ignore")
nib.imageglobals.logger.disabled = True
sitk.ProcessObject_SetGlobalWarningDisplay(False)

CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024, "u8": 1280}


def header(version, e, code, dim, pixdim, vox_offset, slope, inter, units, qcode, scode, quat, qoff, srow, bitpix=None, size=None, magic=None, intent=0):
    bitpix = {2: 8, 256: 8, 4: 16, 512: 16, 8: 32, 16: 32, 768: 32, 64: 64, 1024: 64, 1280: 64}.get(code, 0) if bitpix is None else bitpix
    if version == 1:
        h = bytearray(348); P = lambda f, o, *x: struct.pack_into(e + f, h, o, *x)
        P("i", 0, 348 if size is None else size); P("8h", 40, *dim); P("h", 68, intent); P("hh", 70, code, bitpix); P("8f", 76, *pixdim)
        P("f", 108, vox_offset); P("ff", 112, slope, inter); h[123] = units
        P("hh", 252, qcode, scode); P("6f", 256, *quat, *qoff); P("12f", 280, *srow)
        h[344:348] = b"n+1\0" if magic is None else magic
    else:
        h = bytearray(540); P = lambda f, o, *x: struct.pack_into(e + f, h, o, *x)
        P("i", 0, 540 if size is None else size); h[4:12] = b"n+2\0\r\n\x1a\n" if magic is None else magic
        P("hh", 12, code, bitpix); P("8q", 16, *dim); P("8d", 104, *pixdim); P("q", 168, int(vox_offset)); P("dd", 176, slope, inter)
        P("ii", 344, qcode, scode); P("6d", 352, *quat, *qoff); P("12d", 400, *srow); P("i", 500, units); P("i", 504, intent)
    return bytes(h)


def rotation(q):
    w, x, y, z = q
    return np.array([[w*w+x*x-y*y-z*z, 2*(x*y-w*z), 2*(x*z+w*y)], [2*(x*y+w*z), w*w+y*y-x*x-z*z, 2*(y*z-w*x)], [2*(x*z-w*y), 2*(y*z+w*x), w*w+z*z-x*x-y*y]])


def one(r, kind):
    """A file: its bytes, and whether its name ends in .gz."""
    version, e = int(r.choice([1, 1, 2])), str(r.choice(["<", "<", ">"]))
    t = str(r.choice(list(CODES))); dt = np.dtype(e + t)
    size = [int(x) for x in r.integers(1, 5, 3)]
    voxel = [float(np.float32(x)) for x in r.uniform(0.3, 6, 3)]
    q = r.normal(size=4); q /= np.linalg.norm(q); q *= np.sign(q[0]) or 1
    if kind == "half turn":
        q = np.array([1e-4 * r.normal(), 1e-3 * r.normal(), 1.0, 1e-3 * r.normal()]); q /= np.linalg.norm(q); q *= np.sign(q[0]) or 1
    qfac = float(r.choice([1, -1])); R = rotation(q) * np.array(voxel) * np.array([1, 1, qfac]); off = r.uniform(-100, 100, 3)
    S = np.concatenate([R, off[:, None]], 1)
    f = dict(version=version, e=e, code=CODES[t], dim=[3, *size, 1, 1, 1, 1], pixdim=[qfac, *voxel, 0, 0, 0, 0], vox_offset=352 if version == 1 else 544,
             slope=1.0, inter=0.0, units=2, qcode=1, scode=1, quat=list(q[1:]), qoff=list(off), srow=list(S.ravel()))
    extra, tail, wrap, cut = b"\0\0\0\0", b"", r.integers(8) == 0, 0
    base = 348 if version == 1 else 540
    if kind == "qform only": f["scode"] = 0; f["srow"] = [0.0] * 12
    elif kind == "half turn": f["scode"] = 0
    elif kind == "sform only": f["qcode"] = 0; f["quat"] = [0.0] * 3
    elif kind == "shear": f["srow"] = list((S + np.concatenate([0.2 * r.normal(size=(3, 3)), np.zeros((3, 1))], 1)).ravel()); f["qcode"] = 0
    elif kind == "no form": f["qcode"] = f["scode"] = 0
    elif kind == "negative codes": f["scode"] = -1
    elif kind == "qfac 0": f["pixdim"][0] = 0.0
    elif kind == "scaled": f["slope"], f["inter"] = float(np.float32(r.uniform(-3, 3))), float(np.float32(r.uniform(-50, 50)))
    elif kind == "slope 0": f["slope"], f["inter"] = 0.0, 5.0
    elif kind == "slope NaN": f["slope"] = float("nan")
    elif kind == "slope inf": f["slope"] = float("inf")
    elif kind == "inter NaN": f["inter"] = float("nan")
    elif kind == "metres": f["units"] = 1
    elif kind == "micrometres": f["units"] = 3
    elif kind == "no unit": f["units"] = 0
    elif kind == "time unit": f["units"] = 2 + 8
    elif kind == "extension": extra = b"\1\0\0\0" + struct.pack(e + "ii", 32, 6) + b"a comment".ljust(24, b"\0"); f["vox_offset"] = base + len(extra)
    elif kind == "gap": extra = bytes(4 + 16 * int(r.integers(1, 9))); f["vox_offset"] = base + len(extra)
    elif kind == "odd gap": extra = bytes(4 + int(r.integers(1, 15))); f["vox_offset"] = base + len(extra)
    elif kind == "vox_offset 0": f["vox_offset"] = 0
    elif kind == "vox_offset small": f["vox_offset"] = 100
    elif kind == "vox_offset fraction": f["vox_offset"] = 352.5
    elif kind == "trailing ones": f["dim"] = [int(r.integers(4, 8)), *size, 1, 1, 1, 1]
    elif kind == "trailing zeros": f["dim"] = [4, *size, 0, 0, 0, 0]
    elif kind == "two axes": f["dim"] = [2, size[0], size[1], 1, 1, 1, 1, 1]; size = [size[0], size[1], 1]
    elif kind == "one axis": f["dim"] = [1, size[0], 1, 1, 1, 1, 1, 1]; size = [size[0], 1, 1]
    elif kind == "four axes": f["dim"] = [4, *size, 2, 1, 1, 1]; size = [*size, 2]
    elif kind == "vector": f["dim"] = [5, *size, 1, 3, 1, 1]; size = [*size, 1, 3]; f["intent"] = 1007
    elif kind == "dim 0": f["dim"][0] = 0
    elif kind == "dim 8": f["dim"][0] = 8
    elif kind == "size 0": f["dim"][2] = 0
    elif kind == "size negative": f["dim"][1] = -size[0]
    elif kind == "pixdim negative": f["pixdim"][1] = -voxel[0]; f["qcode"] = 0
    elif kind == "pixdim 0": f["pixdim"][2] = 0.0; f["qcode"] = 0
    elif kind == "pixdim other": f["pixdim"][1:4] = [1.0, 1.0, 1.0]; f["qcode"] = 0
    elif kind == "bitpix": f["bitpix"] = 7
    elif kind == "sizeof_hdr": f["size"] = 0
    elif kind == "complex": f["code"], dt = 32, np.dtype(e + "c8")
    elif kind == "rgb": f["code"] = 128
    elif kind == "bool": f["code"] = 1
    elif kind == "float128": f["code"] = 1536
    elif kind == "code 3": f["code"] = 3
    elif kind == "pair": f["magic"] = b"ni1\0" if version == 1 else b"ni2\0\r\n\x1a\n"
    elif kind == "analyze": f["magic"] = b"\0\0\0\0" if version == 1 else b"\0" * 8
    elif kind == "quaternion long": f["quat"] = [0.8, 0.7, 0.2]; f["scode"] = 0
    elif kind == "sform zero": f["srow"] = [0.0] * 12; f["qcode"] = 0
    elif kind == "sform zero, qform": f["srow"] = [0.0] * 12
    elif kind == "sform NaN": f["srow"][5] = float("nan"); f["qcode"] = 0
    elif kind == "forms differ": f["qoff"][0] += 10.0
    elif kind == "cut": cut = int(r.integers(1, 12))
    elif kind == "tail": tail = bytes(r.integers(0, 256, int(r.integers(1, 40)), dtype=np.uint8))
    elif kind == "gzip zeros": wrap = True
    elif kind == "gzip tail": wrap = True
    elif kind == "members": wrap = True
    n = int(np.prod(size))
    info = np.iinfo(dt) if dt.kind in "iu" else None
    if dt.kind == "c": a = (r.normal(size=n) + 1j * r.normal(size=n)).astype(dt)
    elif info is not None: a = r.integers(max(info.min, -30000), min(info.max, 30000), n, endpoint=True).astype(dt)
    else: a = (100 * r.normal(size=n)).astype(dt)
    b = header(**f) + extra + a.tobytes() + tail
    if cut: b = b[:-cut]
    if kind == "members":
        at = int(r.integers(1, len(b))); b = gzip.compress(b[:at], mtime=0) + gzip.compress(b[at:], mtime=0)
    elif wrap: b = gzip.compress(b, mtime=0)
    if kind == "gzip zeros": b += b"\0" * int(r.integers(1, 600))
    if kind == "gzip tail": b += b"\n" + bytes(r.integers(0, 256, int(r.integers(0, 30)), dtype=np.uint8))
    return b, wrap


def values(a):
    a = np.asarray(a, np.float64).ravel(order="F")
    return [None if not np.isfinite(x) else float("%.6g" % x) for x in a]


def short(A): return [float("%.7g" % x) if np.isfinite(x) else None for x in np.asarray(A, float).ravel()[:12]]


def by_nibabel(path):
    try:
        im = nib.load(path)
        return dict(shape=list(map(int, im.shape)), affine=short(im.affine), data=values(im.get_fdata()))
    except Exception as x:  # whatever it raises is a refusal
        return dict(error=type(x).__name__)


def by_itk(path):
    try:
        im = sitk.ReadImage(path)
        if im.GetNumberOfComponentsPerPixel() != 1: return dict(error="components")
        d = im.GetDimension(); a = sitk.GetArrayFromImage(im).transpose()
        out = dict(shape=list(im.GetSize()), data=values(a))
        if d == 3:
            A = np.array(im.GetDirection()).reshape(3, 3) * np.array(im.GetSpacing())
            out["affine"] = short(np.concatenate([np.diag([-1, -1, 1]) @ A, (np.array([-1, -1, 1]) * im.GetOrigin())[:, None]], 1))
        return out
    except Exception as x:
        return dict(error=type(x).__name__)


KINDS = ["plain"] * 6 + ["qform only"] * 4 + ["half turn"] * 4 + ["sform only"] * 2 + ["scaled"] * 4 + ["members"] * 2 + ["gzip zeros"] * 2 + ["gzip tail"] * 2 + """shear;no form;negative codes;qfac 0;slope 0;
slope NaN;slope inf;inter NaN;metres;micrometres;no unit;time unit;extension;gap;odd gap;vox_offset 0;vox_offset small;vox_offset fraction;trailing ones;trailing zeros;two axes;one axis;four axes;vector;
dim 0;dim 8;size 0;size negative;pixdim negative;pixdim 0;pixdim other;bitpix;sizeof_hdr;complex;rgb;bool;float128;code 3;pair;analyze;quaternion long;sform zero;sform zero, qform;sform NaN;forms differ;
cut;tail""".replace("\n", "").split(";")


def main(out, rounds=5):
    r = np.random.default_rng(2024); cases = []
    with tempfile.TemporaryDirectory() as d:
        for n in range(rounds):
            for k, kind in enumerate(KINDS):
                b, z = one(r, kind)
                path = os.path.join(d, f"f{n}_{k}.nii" + (".gz" if z else "")); open(path, "wb").write(b)
                x, y = by_nibabel(path), by_itk(path)
                if "data" in y and x.get("data") == y["data"]: del y["data"]  # the same
                cases.append(dict(kind=kind, file=base64.b64encode(b).decode(), nibabel=x, itk=y))
    text = json.dumps(dict(nibabel=nib.__version__, simpleitk=sitk.Version_VersionString(), numpy=np.__version__, cases=cases), separators=(",", ":"))
    with open(out, "wb") as f: f.write(gzip.compress(text.encode(), 9, mtime=0))
    print(len(cases), "files,", os.path.getsize(out), "bytes")


if __name__ == "__main__": main(sys.argv[1])
