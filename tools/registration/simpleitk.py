"""Registers the pairs that `registration -export DIR` wrote with SimpleITK: rigid, Mattes mutual
information, four resolutions, from the centres of the images. Prints errors over the brain and
processor time, as registration does.

    python simpleitk.py DIR [moments]

moments: start from the centres of mass instead of those of the fields of view.
"""
import json
import pathlib
import resource
import sys

import numpy as np
import SimpleITK as sitk

sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(2)
start = (
    sitk.CenteredTransformInitializerFilter.MOMENTS
    if "moments" in sys.argv[2:]
    else sitk.CenteredTransformInitializerFilter.GEOMETRY
)


def spent():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


all_errors, seconds, good = [], [], 0
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    fixed = sitk.ReadImage(str(folder / "a.nii.gz"), sitk.sitkFloat32)
    moving = sitk.ReadImage(str(folder / "b.nii.gz"), sitk.sitkFloat32)
    truth = json.loads((folder / "truth.json").read_text())
    before = spent()
    r = sitk.ImageRegistrationMethod()
    r.SetMetricAsMattesMutualInformation(50)
    r.SetMetricSamplingStrategy(r.RANDOM)
    r.SetMetricSamplingPercentage(0.2, seed=1)
    r.SetInterpolator(sitk.sitkLinear)
    r.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-4, 300, relaxationFactor=0.6)
    r.SetOptimizerScalesFromPhysicalShift()
    r.SetShrinkFactorsPerLevel([8, 4, 2, 1])
    r.SetSmoothingSigmasPerLevel([4, 2, 1, 0])
    r.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    r.SetInitialTransform(
        sitk.CenteredTransformInitializer(fixed, moving, sitk.Euler3DTransform(), start), inPlace=False
    )
    found = r.Execute(fixed, moving)
    used = spent() - before
    lps = np.array([-1.0, -1.0, 1.0])
    errors = []
    for p in truth["brain"]:
        p = np.array(p)
        t = np.array(truth["truth"])
        q = np.array(found.TransformPoint((p * lps).tolist())) * lps
        errors.append(np.linalg.norm(t[:, :3] @ p + t[:, 3] - q))
    mean = float(np.mean(errors))
    good += mean <= 0.3 * truth["voxel"]
    all_errors.append(mean)
    seconds.append(used)
    print(f"{folder.name:36s} mean {mean:8.3f} mm, most {max(errors):8.3f}, {used:.1f} s", flush=True)
print(
    f"{good} of {len(all_errors)} within 0.3 voxel; mean error: median {np.median(all_errors):.3f}, "
    f"largest {max(all_errors):.3f} mm; processor time: median {np.median(seconds):.1f} s"
)
