"""What begins before the command line has been read: the hashing of models that are many or large.

Reading it takes libraries, and so does judging; until they are loaded, a third of a hundred models
is hashed. Nothing is decided here: what is not asked for later was hashed in vain.
"""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import islice

from release_tool.core.hashers import Hashers, hashing
from release_tool.core.limits import MAX_ENTRIES, MODEL_LIMIT_BYTES


def hashing_models(arguments: Sequence[str]) -> AbstractContextManager[Hashers | None]:
    """Begin to hash what `verify` is likely to ask for: the files that its arguments name."""
    files = [path for argument in arguments for path in find_files(argument)]
    return hashing(files, MODEL_LIMIT_BYTES)


def find_files(argument: str) -> list[str]:
    """Return what an argument may name as a file, or the one model in a directory."""
    try:
        with os.scandir(argument) as entries:
            found = [entry.path for entry in islice(entries, MAX_ENTRIES)]
    except (OSError, ValueError):
        return [argument]
    models = [path for path in found if path.endswith(".onnx")]
    return models if len(models) == 1 else []
