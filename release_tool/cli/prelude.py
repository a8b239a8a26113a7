"""What begins before the command line has been read: the hashing of many models.

Reading it takes libraries, and so does judging; until they are loaded, half of a hundred models are
hashed. Nothing is decided here: what is not asked for later was hashed in vain.
"""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from itertools import islice

from release_tool.core.hashers import Hashers, hashing
from release_tool.core.limits import MODEL_LIMIT_BYTES

SUFFIX = ".onnx"
MAX_ENTRIES = 10_000


def hashing_models(arguments: Sequence[str]) -> AbstractContextManager[Hashers | None]:
    """Begin to hash what `verify` is likely to ask for: files called as models are."""
    named = arguments[1:] if arguments[:1] == ["verify"] else ()
    models = [model for argument in named for model in find_models(argument)]
    return hashing(models, MODEL_LIMIT_BYTES)


def find_models(argument: str) -> list[str]:
    """Return the file that an argument names, or the one model in the directory that it names."""
    if argument.endswith(SUFFIX):
        return [argument]
    with suppress(OSError, ValueError), os.scandir(argument) as entries:
        found = (entry.path for entry in islice(entries, MAX_ENTRIES))
        models = [path for path in found if path.endswith(SUFFIX)]
        return models if len(models) == 1 else []
    return []
