"""Finds the model that somebody means by a path, and hashes it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, InputError
from release_tool.core.files import open_regular
from release_tool.core.limits import MAX_ENTRIES, MODEL_LIMIT_BYTES
from release_tool.recipes.recipe import ReleaseNames

HashFile = Callable[[Path], tuple[Sha256, int]]
"""What hashes a file and returns its digest and its size in bytes; raises `ReleaseToolError`."""


def is_directory(path: Path) -> bool:
    """Tell a directory from a file; a loop of symbolic links is neither and fails later."""
    try:
        return path.is_dir()
    except OSError as error:
        raise CannotVerify(f"cannot read {path}: {error.strerror}") from error


def find_model(directory: Path, names: ReleaseNames | None = None) -> Path:
    """Return the one model of a directory, by the release's or the consumer's name if known."""
    models = []
    try:
        for position, entry in enumerate(directory.iterdir()):
            if position >= MAX_ENTRIES:
                raise CannotVerify(f"{directory} holds more than {MAX_ENTRIES} files")
            if entry.suffix == ".onnx":
                models.append(entry)
    except OSError as error:
        raise CannotVerify(f"cannot read {directory}: {error.strerror}") from error
    if len(models) != 1:
        found = ", ".join(sorted(model.name for model in models)[:5]) or "none"
        raise CannotVerify(
            f"{directory} should hold one model; it holds {found}", hint="name the model's file"
        )
    if names is not None and models[0].name not in (names.model, names.installed_model):
        raise CannotVerify(
            f"{directory} holds {models[0].name}, not {names.model}",
            hint="name its recipe with --recipe, or name the model's file",
        )
    return models[0]


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that paths mean: themselves, or the one model of a directory."""
    files = []
    for path in paths:
        with suppress(CannotVerify):
            files.append(find_model(path) if is_directory(path) else path)
    return files


def hash_model(path: Path) -> tuple[Sha256, int]:
    """Hash a model of at most 2 GiB, which is what ONNX allows, in bounded memory."""
    try:
        with open_regular(path) as stream:
            digest = Sha256.of_stream(stream, MODEL_LIMIT_BYTES)
            return digest, stream.tell()
    except InputError as error:
        named = str(path) in error.message
        message = error.message if named else f"cannot read {path}: {error.message}"
        raise CannotVerify(message, hint=error.hint) from error
    except OSError as error:
        raise CannotVerify(f"cannot read {path}: {error.strerror}") from error
