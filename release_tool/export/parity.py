"""Measures whether ONNX Runtime and PyTorch agree on the same inputs.

It runs in the worker only, and says nothing about whether the network is any good.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from release_tool.core.errors import GateError
from release_tool.export.measured import ParityReport, SizeParity
from release_tool.recipes.recipe import ParitySpec

SEED = 20240112
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
LOW, HIGH = 0.05, 0.95

Image = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def measure_parity(
    network: torch.nn.Module,
    model: Path,
    spec: ParitySpec,
    *,
    full: bool,
    step: Callable[[], None],
) -> ParityReport:
    """Compare at every size of the recipe; raises `GateError` at the first that disagrees.

    `network` returns the selected map; it is left converted to float64.
    """
    session = open_session(model)
    results = []
    for dtype, height, width, bound in plan_sizes(spec, full=full):
        network = network.to(dtype)
        results.append(compare(network, session, (height, width), dtype, bound))
        step()
    share = sum(item.unsaturated_share for item in results) / len(results)
    # A saturated output agrees with anything.
    if share < spec.unsaturated_share:
        raise GateError(
            f"the parity gate is vacuous: {share:.2%} of the output lie between {LOW} and {HIGH}, "
            f"at least {spec.unsaturated_share:.2%} must"
        )
    return ParityReport(tuple(results), share)


def plan_sizes(spec: ParitySpec, *, full: bool) -> Iterator[tuple[torch.dtype, int, int, float]]:
    """Yield reference type, height, width and bound; float64 comes last as it replaces weights."""
    large = set(spec.full_sizes) if full else set()
    for size in spec.float32_sizes:
        if size not in large:
            yield torch.float32, *size, spec.float32_bound
    for size in (*spec.float64_sizes, *(spec.full_sizes if full else ())):
        yield torch.float64, *size, spec.float64_bound


def open_session(model: Path) -> onnxruntime.InferenceSession:
    """Load the model as a consumer does, without keeping memory in an arena."""
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def compare(
    network: torch.nn.Module,
    session: onnxruntime.InferenceSession,
    size: tuple[int, int],
    dtype: torch.dtype,
    bound: float,
) -> SizeParity:
    """Run both at one size and measure the largest absolute difference."""
    height, width = size
    image = make_image(height, width)
    (ours,) = session.run(None, {session.get_inputs()[0].name: image})
    with torch.inference_mode():
        theirs = network(torch.from_numpy(image).to(dtype)).numpy()
    if ours.shape != theirs.shape or ours.shape[2:] != size:
        raise GateError(
            f"at {height}x{width} ONNX Runtime returns shape {ours.shape}, torch {theirs.shape}"
        )
    kind = str(dtype).removeprefix("torch.")
    difference = float(np.abs(ours.astype(np.float64) - theirs).max())
    if not difference <= bound:  # written so that NaN fails
        raise GateError(
            f"parity: at {height}x{width} ONNX Runtime differs from torch in {kind} by "
            f"{difference:.2e}, more than {bound:.0e}"
        )
    share = float(((theirs > LOW) & (theirs < HIGH)).mean())
    return SizeParity(height, width, kind, difference, bound, share)


def make_image(height: int, width: int) -> Image:
    """Draw a seeded test image, float32 [1, 3, height, width], normalised as ImageNet is.

    Above the middle soft-edged bright ellipses on a dark gradient, to which a trained saliency
    network answers with maps that are neither all black nor all white; below it noise of the
    contrast of photographs, which does the same for weights that have learnt nothing.
    """
    random = np.random.default_rng([SEED, height, width])
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = 2 * (y + 0.5) / height, (x + 0.5) / width
    scene = np.stack([0.2 + 0.2 * x, 0.25 + 0.1 * y, 0.3 - 0.1 * x * y])
    for centre_y, centre_x, radius, softness in ((0.5, 0.45, 0.28, 8), (0.3, 0.8, 0.12, 5)):
        distance = np.hypot(y - centre_y, x - centre_x) / radius
        alpha = 1 / (1 + np.exp(np.clip(softness * (distance - 1), -60, 60)))
        colour = random.uniform(0.5, 1.0, size=(3, 1, 1))
        scene = scene * (1 - alpha) + colour * alpha
    scene = np.clip(scene + random.normal(0, 0.02, scene.shape), 0, 1)
    mean = np.array(IMAGENET_MEAN).reshape(3, 1, 1)
    deviation = np.array(IMAGENET_DEVIATION).reshape(3, 1, 1)
    image = np.where(y < 1, (scene - mean) / deviation, random.normal(0, 1, scene.shape))
    return image[np.newaxis].astype(np.float32)
