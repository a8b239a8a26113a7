"""The replay as a gate of an export; what it needs is imported only where a recipe asks for it."""

from collections.abc import Mapping
from pathlib import Path

from release_tool.core.progress import Progress
from release_tool.evaluate.needs import REPLAY, check_installed
from release_tool.recipes.replay import ReplaySpec


def hold_replay(
    model: Path, spec: ReplaySpec | None, files: Mapping[str, bytes], progress: Progress
) -> bool:
    """Make upstream's published results again and tell whether there are any.

    Raises `GateError` where they are not as alike as the recipe demands.
    """
    if spec is None:
        return False
    check_installed(REPLAY)
    from release_tool.evaluate.replay import run_replay  # noqa: PLC0415  (see above)

    with progress.stage("replay"):
        report = run_replay(model, spec, files, progress)
        report.require()
        progress.note(str(report))
    return True
