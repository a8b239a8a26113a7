"""Says what an installation lacks for an evaluation, before anything of it is imported."""

import importlib.util

from release_tool.core.errors import UsageError

REPLAY = ("onnxruntime", "numpy", "PIL")
COMPARISON = (*REPLAY, "av", "py_sod_metrics", "jinja2")


def check_installed(needed: tuple[str, ...]) -> None:
    """Check that packages are installed; raises `UsageError`."""
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"an evaluation needs {', '.join(missing)}, which this installation lacks",
            hint="in a checkout of this tool: pip install '.[evaluate]'",
        )
