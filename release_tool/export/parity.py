"""Measures how far ONNX Runtime and PyTorch as it is each are from PyTorch in float64.

It runs in the worker only, and says nothing about whether the network is any good.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from release_tool.core.errors import GateError, InputError
from release_tool.export.building import Interface
from release_tool.export.convert import check_outputs, run_network
from release_tool.export.inputs import Array, make_arrays
from release_tool.export.job import JobSample
from release_tool.export.measured import Errors, OutputParity, ParityReport
from release_tool.recipes.network import FLOATS, OutputSpec
from release_tool.recipes.parity import ParityBounds

LOW, HIGH = 0.05, 0.95

Output = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Reference:
    """One sample, what PyTorch makes of it in float64, and how far it is off as it is."""

    label: str
    inputs: Mapping[str, Array]
    outputs: tuple[Output, ...]
    torch: tuple[Errors, ...]


def measure_parity(
    references: Iterable[Reference],
    model: Path,
    specs: Sequence[OutputSpec],
    bounds: ParityBounds,
    step: Callable[[], None],
) -> ParityReport:
    """Compare a model with its references; raises `GateError` at the first that disagrees."""
    session = open_session(model)
    results: list[OutputParity] = []
    floats: list[list[Output]] = [[] for _ in specs]
    for reference in references:
        ours = run(session, reference.inputs, [spec.name for spec in specs])
        for index, spec in enumerate(specs):
            results.append(compare(reference, index, ours[index], spec, bounds))
            if spec.type in FLOATS:
                floats[index].append(reference.outputs[index].ravel())
        step()
    ranges = [float(np.ptp(np.concatenate(each))) for each in floats if each]
    shares = [each.unsaturated_share for each in results]
    report = ParityReport(tuple(results), float(np.mean(shares)), min(ranges, default=1.0))
    check_vacuity(report, bounds)
    return report


def make_references(
    network: Interface, samples: Iterable[JobSample], place: Path, step: Callable[[], None]
) -> list[Reference]:
    """Run PyTorch on every sample, as it is and then in float64; `place` has the files.

    `network` is left converted to float64.
    """
    arrays = [(each, make_arrays(network.inputs, each, place)) for each in samples]
    rounded = []
    for each, inputs in arrays:
        with sampled(each):
            rounded.append(infer(network, inputs, exact=False))
        step()
    network.double()
    made = []
    for (each, inputs), single in zip(arrays, rounded, strict=True):
        with sampled(each), double_by_default():
            outputs = infer(network, inputs, exact=True)
        errors = tuple(
            measure_errors(ours, theirs, spec)
            for ours, theirs, spec in zip(single, outputs, network.outputs, strict=True)
        )
        made.append(Reference(each.label, inputs, outputs, errors))
        step()
    return made


@contextmanager
def sampled(sample: JobSample) -> Iterator[None]:
    """Say which sample the network fails on."""
    try:
        yield
    except InputError as error:
        raise InputError(
            f"on the sample {sample.label!r}: {error.message}", hint=error.hint
        ) from error


@contextmanager
def double_by_default() -> Iterator[None]:
    """Let tensors that a network makes be float64 too."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


def infer(network: Interface, inputs: Mapping[str, Array], *, exact: bool) -> tuple[Output, ...]:
    """Run PyTorch on a sample; with `exact` numbers of any precision are given in float64."""
    tensors = [torch.from_numpy(array) for array in inputs.values()]
    if exact:
        tensors = [each.double() if each.is_floating_point() else each for each in tensors]
    returned = run_network(network, tuple(tensors))
    if not exact:
        check_outputs(network, returned)
    return tuple(each.double().numpy() for each in returned)


def open_session(model: Path) -> onnxruntime.InferenceSession:
    """Load the model as a consumer does, without keeping memory in an arena."""
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    with refusing():
        return onnxruntime.InferenceSession(str(model), options, ["CPUExecutionProvider"])


def run(
    session: onnxruntime.InferenceSession, inputs: Mapping[str, Array], names: list[str]
) -> list[Output]:
    """Run ONNX Runtime on a sample."""
    with refusing():
        outputs = session.run(names, dict(inputs))
    return [np.asarray(each, np.float64) for each in outputs]


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what ONNX Runtime raises, which has no base class of its own, into a refusal."""
    try:
        yield
    except Exception as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise GateError(f"ONNX Runtime does not run the model: {said[0][:300]}") from error


def compare(
    reference: Reference, index: int, ours: Output, spec: OutputSpec, bounds: ParityBounds
) -> OutputParity:
    """Hold ONNX Runtime's errors in one output on one sample against their bounds."""
    theirs, torchs = reference.outputs[index], reference.torch[index]
    if ours.shape != theirs.shape:
        raise GateError(
            f"{reference.label}, {spec.name}: ONNX Runtime returns shape {ours.shape}, "
            f"torch {theirs.shape}"
        )
    share = float(((theirs > LOW) & (theirs < HIGH)).mean())
    if spec.type in FLOATS:
        allowed = Errors(
            bounds.error_ratio * torchs.largest + bounds.error_floor,
            bounds.mean_error_ratio * torchs.mean + bounds.error_floor,
        )
    else:
        allowed = Errors(float(spec.agreement < 1), 1 - spec.agreement)
    found = measure_errors(ours, theirs, spec)
    result = OutputParity(reference.label, spec.name, torchs, found, allowed, share)
    # Written so that NaN fails.
    if not (found.largest <= allowed.largest and found.mean <= allowed.mean):
        raise GateError(f"parity against torch in float64: {result}")
    return result


def measure_errors(output: Output, exact: Output, spec: OutputSpec) -> Errors:
    """Measure by how much an output is off; what is no float is right or wrong."""
    difference = np.abs(output - exact) if spec.type in FLOATS else (output != exact) * 1.0
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
