"""The child process in which upstream's code, torch and ONNX Runtime run.

It is given a private directory and file descriptors, and no secret; what it makes is proved by
gates outside of it.
"""

import errno
import os
import platform
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from release_tool.checkpoint.reader import map_checkpoint, read_state_dict
from release_tool.checkpoint.tensors import Tensor
from release_tool.core.digest import Sha256
from release_tool.core.documents import encode_json
from release_tool.core.errors import GateError, InputError, ReleaseToolError, UsageError
from release_tool.core.files import reason
from release_tool.export.containment import make_watch, watched
from release_tool.export.importing import AuditedImporter, auditing, import_names
from release_tool.export.job import MODEL, REPORT, Job
from release_tool.gates.skeleton import filled

if TYPE_CHECKING:
    from release_tool.export.building import Interface

ERRORS: dict[str, type[ReleaseToolError]] = {
    kind.__name__: kind for kind in (GateError, InputError, UsageError)
}
LOG_ALLOWANCE_BYTES = 64 * 1024 * 1024


def main(arguments: list[str]) -> int:
    """Do the job in the directory that is the first argument; report steps to the descriptor."""
    directory, descriptor = Path(arguments[0]), int(arguments[1])
    die_with_parent()
    report: dict[str, Any]
    try:
        report = run(directory, lambda: void(os.write(descriptor, b".")))
    except ReleaseToolError as error:
        report = {
            "error": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
        }
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        report = {
            "error": InputError.__name__,
            "message": f"cannot write to {directory.parent}: {reason(error)}",
            "hint": "make room there, or set TMPDIR to a directory that has it",
        }
    (directory / REPORT).write_bytes(encode_json(report))
    return 0


def void(_written: int) -> None:
    """Forget how many bytes were written."""


def die_with_parent() -> None:
    """End this process as soon as the parent's end of standard input is closed."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def run(directory: Path, step: Callable[[], None]) -> dict[str, Any]:
    """Export and measure, or measure alone; return what the parent should know."""
    job = Job.read(directory)
    limit_resources(job)
    tensors = reopen(job)
    importer = open_importer(job, directory)
    # Imported here and not above: this takes two seconds, and a job that fails earlier is spared.
    from release_tool.export import building, fitting, working  # noqa: PLC0415
    from release_tool.export.parity import make_references, measure_parity  # noqa: PLC0415

    step()
    if job.task == "look":
        from release_tool.export.looking import look  # noqa: PLC0415

        with watched(make_watch(directory)), auditing(importer):
            seen = look(job, tensors, directory, step)
        return {**seen, "ran": list(dict.fromkeys(importer.ran))}
    with watched(make_watch(directory)), auditing(importer):
        network, upstream = building.build_network(job.network, job.adapter)
        if job.working_size is not None:
            network = working.AtWorkingSize(network, job.working_size)
        interface = building.Interface(network, upstream, job.inputs, job.outputs)
        fitting.check_fit(upstream, tensors, job.network.name, job.tensors)
        fitting.load_tensors(upstream, tensors)
        step()
        report: dict[str, Any] = {}
        if job.task == "export":
            report["skeleton"] = str(export(directory, job, interface, tensors, step))
        references = make_references(interface, job.samples, directory, step)
    parity = measure_parity(references, directory / MODEL, job.outputs, job.bounds, step)
    return report | {"parity": parity.to_json(), "toolchain": toolchain(job)}


def open_importer(job: Job, directory: Path) -> AuditedImporter:
    """Read what may be executed from the private directory."""
    code = job.code
    return AuditedImporter(
        folder=code.folder,
        modules={path: (directory / file).read_bytes() for path, file in code.modules.items()},
        others=frozenset(code.others),
        distributions=import_names(code.distributions.items()),
    )


def export(
    directory: Path,
    job: Job,
    interface: "Interface",
    tensors: tuple[Tensor, ...],
    step: Callable[[], None],
) -> Sha256:
    """Write the model and return the skeleton's digest."""
    from release_tool.export import convert, normalise  # noqa: PLC0415

    convert.check_outputs(
        interface, convert.run_network(interface, convert.make_examples(interface, job.axes))
    )
    raw = convert.trace(interface, job.axes, job.contract.opset, directory / "raw.onnx")
    names, own = convert.name_tensors(interface, [tensor.name for tensor in tensors])
    skeleton = normalise.normalise(raw, names, own, job.inputs, job.outputs)
    step()
    with (directory / MODEL).open("wb") as stream:
        stream.writelines(filled(skeleton, Tensors(tensors), job.metadata))
    step()
    return Sha256.of_bytes(skeleton)


def toolchain(job: Job) -> dict[str, str]:
    """Name what made the model, with versions."""
    import numpy as np  # noqa: PLC0415
    import onnx  # noqa: PLC0415
    import onnxruntime  # noqa: PLC0415
    import torch  # noqa: PLC0415

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "numpy": np.__version__,
        **job.code.distributions,
    }


class Tensors:
    """The tensors of a checkpoint, as `filled` wants them."""

    def __init__(self, tensors: tuple[Tensor, ...]) -> None:
        self.tensors = tensors


def reopen(job: Job) -> tuple[Tensor, ...]:
    """Map the checkpoint again; it must still be the file that the parent opened."""
    path = Path(job.checkpoint)
    content = map_checkpoint(path)
    if Sha256.of_bytes(content) != job.digest:
        raise InputError(f"{path.name} changed while it was exported")
    return read_state_dict(content, path.name, job.state_dict).tensors


def limit_resources(job: Job) -> None:
    """Bound every file that this process can write, its own log included; leave no core dump."""
    import resource  # noqa: PLC0415  (Windows has none, and reads this module all the same)

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = 2 * job.contract.limits.max_model_bytes + LOG_ALLOWANCE_BYTES
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    if allowed != resource.RLIM_INFINITY:
        most = min(most, allowed)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
