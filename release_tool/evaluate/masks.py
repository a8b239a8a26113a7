"""What a map is worth against a mask drawn by people: the metrics of salient object detection.

They are pysodmetrics' own; the overlap is that of `alike`.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import py_sod_metrics

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.files import read_limited
from release_tool.evaluate.alike import overlap
from release_tool.evaluate.media import MAX_PICTURE_BYTES, PICTURES, Medium
from release_tool.evaluate.pictures import Bytes, Floats, read_grey

MASK_SALIENT = 128
TRUTH = ("s_measure", "e_measure", "weighted_f", "mean_error", "iou")


def pair_masks(directory: Path, media: Iterable[Medium]) -> dict[str, Path]:
    """Find the mask of each picture, by stem; raises `InputError` where one is alone."""
    if not directory.is_dir():
        raise InputError(f"there is no folder of masks {directory}")
    masks = {file.stem: file for file in sorted(directory.iterdir()) if is_picture(file)}
    stems = [medium.path.stem for medium in media]
    missing = [stem for stem in stems if stem not in masks]
    surplus = sorted(masks.keys() - set(stems))
    if missing or surplus:
        alone = f"{missing[0]} has no mask" if missing else f"the mask {surplus[0]} has no picture"
        raise InputError(
            f"media and masks do not pair: {alone}; {len(missing)} media and {len(surplus)} masks "
            "are alone",
            hint="a mask has the name of its picture, with any ending",
        )
    return {stem: masks[stem] for stem in stems}


def is_picture(file: Path) -> bool:
    """Tell by its ending whether a file is a picture."""
    return file.suffix.lower() in PICTURES


def read_mask(path: Path, size: tuple[int, int]) -> tuple[Bytes, Sha256]:
    """Read a mask of a picture's size, with its digest; raises `InputError` for another size."""
    content = read_limited(path, MAX_PICTURE_BYTES)
    mask = read_grey(content, path.name)
    if mask.shape != size:
        found, wanted = (f"{height}x{width}" for height, width in (mask.shape, size))
        raise InputError(f"the mask {path.name} is {found} pixels, its picture {wanted}")
    return mask, Sha256.of_bytes(content)


def judge(saliency: Floats, mask: Bytes) -> dict[str, float]:
    """Hold a map [H, W] in [0, 1] against a mask: S, E, weighted F, mean absolute error, IoU.

    E is the mean over thresholds. `pysodmetrics` sees the map in grey levels and stretches it to
    its range, as papers do.
    """
    levels = np.rint(np.clip(saliency, 0, 1) * 255).astype(np.uint8)
    truth = np.where(mask >= MASK_SALIENT, 255, 0).astype(np.uint8)
    structure, alignment = py_sod_metrics.Smeasure(), py_sod_metrics.Emeasure()
    weighted, absolute = py_sod_metrics.WeightedFmeasure(), py_sod_metrics.MAE()
    for metric in (structure, alignment, weighted, absolute):
        metric.step(levels, truth)
    found = (
        structure.get_results()["sm"],
        alignment.get_results()["em"]["curve"].mean(),
        weighted.get_results()["wfm"],
        absolute.get_results()["mae"],
        overlap(saliency, truth / 255),
    )
    return {name: float(number) for name, number in zip(TRUTH, found, strict=True)}
