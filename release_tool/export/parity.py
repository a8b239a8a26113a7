"""Measures how far ONNX Runtime and PyTorch in float32 each are from PyTorch in float64.

It runs in the worker only, and says nothing about whether the network is any good.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from release_tool.core.errors import GateError
from release_tool.export.inputs import Image, draw, read_picture
from release_tool.export.job import JobInput
from release_tool.export.measured import Errors, InputParity, ParityReport
from release_tool.recipes.recipe import ParityBounds

LOW, HIGH = 0.05, 0.95

Output = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Reference:
    """One input, what PyTorch makes of it in float64, and how far float32 is from that."""

    given: JobInput
    image: Image
    output: Output
    torch: Errors


def measure_parity(
    references: Iterable[Reference],
    model: Path,
    names: tuple[str, str],
    bounds: ParityBounds,
    step: Callable[[], None],
) -> ParityReport:
    """Compare a model with its references; raises `GateError` at the first that disagrees.

    `names` are the model's input and output.
    """
    session = open_session(model)
    results, outputs = [], []
    for reference in references:
        results.append(compare(reference, run(session, reference.image, names), bounds))
        outputs.append(reference.output.ravel())
        step()
    report = ParityReport(
        tuple(results),
        float(np.mean([each.unsaturated_share for each in results])),
        float(np.ptp(np.concatenate(outputs))),
    )
    check_vacuity(report, bounds)
    return report


def make_references(
    network: torch.nn.Module, inputs: Iterable[JobInput], place: Path, step: Callable[[], None]
) -> list[Reference]:
    """Run PyTorch on every input, in float32 and then in float64; `place` has the pictures.

    `network` returns the selected output; it is left converted to float64.
    """
    images = [(given, make_image(given, place)) for given in inputs]
    rounded = []
    for _, image in images:
        rounded.append(infer(network, image, torch.float32))
        step()
    made = []
    for (given, image), single in zip(images, rounded, strict=True):
        exact = infer(network, image, torch.float64)
        made.append(Reference(given, image, exact, measure_errors(single, exact)))
        step()
    return made


def make_image(given: JobInput, place: Path) -> Image:
    """Make one input."""
    if given.file is None:
        return draw(given.height, given.width)
    return read_picture(place / given.file, given.height, given.width)


def infer(network: torch.nn.Module, image: Image, dtype: torch.dtype) -> Output:
    """Run PyTorch on an image in one precision."""
    with torch.inference_mode():
        output: Output = network.to(dtype)(torch.from_numpy(image).to(dtype)).double().numpy()
    return output


def open_session(model: Path) -> onnxruntime.InferenceSession:
    """Load the model as a consumer does, without keeping memory in an arena."""
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    with refusing():
        return onnxruntime.InferenceSession(str(model), options, ["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, image: Image, names: tuple[str, str]) -> Output:
    """Run ONNX Runtime on an image."""
    given, wanted = names
    with refusing():
        (output,) = session.run([wanted], {given: image})
    return np.asarray(output, np.float64)


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what ONNX Runtime raises, which has no base class of its own, into a refusal."""
    try:
        yield
    except Exception as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise GateError(f"ONNX Runtime does not run the model: {said[0][:300]}") from error


def compare(reference: Reference, ours: Output, bounds: ParityBounds) -> InputParity:
    """Hold ONNX Runtime's largest error on one input against its bound."""
    given, theirs = reference.given, reference.output
    if ours.shape != theirs.shape:
        raise GateError(
            f"at {given.height}x{given.width} ONNX Runtime returns shape {ours.shape}, "
            f"torch {theirs.shape}"
        )
    share = float(((theirs > LOW) & (theirs < HIGH)).mean())
    allowed = Errors(
        bounds.error_ratio * reference.torch.largest + bounds.error_floor,
        bounds.mean_error_ratio * reference.torch.mean + bounds.error_floor,
    )
    found = measure_errors(ours, theirs)
    result = InputParity(
        given.source, given.height, given.width, reference.torch, found, allowed, share
    )
    # Written so that NaN fails.
    if not (found.largest <= allowed.largest and found.mean <= allowed.mean):
        raise GateError(f"parity against torch in float64: {result}")
    return result


def measure_errors(output: Output, exact: Output) -> Errors:
    """Measure by how much an output is off."""
    difference = np.abs(output - exact)
    return Errors(float(difference.max()), float(difference.mean()))


def check_vacuity(report: ParityReport, bounds: ParityBounds) -> None:
    """Refuse outputs with which anything would agree: saturated ones, and constant ones."""
    if not report.unsaturated_share >= bounds.unsaturated_share:
        raise GateError(
            f"the parity gate is vacuous: {report.unsaturated_share:.2%} of the output lie between "
            f"{LOW} and {HIGH}, at least {bounds.unsaturated_share:.2%} must"
        )
    if not report.range >= bounds.least_range:
        raise GateError(
            f"the parity gate is vacuous: all outputs lie within {report.range:.1e}, they must "
            f"differ by {bounds.least_range:.0e} at least"
        )
