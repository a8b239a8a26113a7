"""Opens a checkpoint as named tensors, without torch and without running anything in it.

Whether the tensors fit a network is for the export and the lineage gate to say.
"""

import mmap
from dataclasses import dataclass
from pathlib import Path

from release_tool.checkpoint.formats import Format, recognise
from release_tool.checkpoint.hygiene import check_hygiene
from release_tool.checkpoint.pickle_values import MalformedPickle, RefusedGlobal
from release_tool.checkpoint.safetensors import read_safetensors
from release_tool.checkpoint.state_dict import StateDict, find_state_dict
from release_tool.checkpoint.storages import Unpickled, read_bare, read_legacy, read_zip
from release_tool.checkpoint.tensors import Tensor, digest_tensors
from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.files import open_regular
from release_tool.recipes.recipe import Recipe, StateDictPlace

MAX_FILE_BYTES = 2**31 - 1
"""More than any recipe's model can hold, and what a mapping costs nothing for."""
KNOWN_HINT = "a checkpoint is what torch.save writes, or a safetensors file"
HTML_HINT = "download it in a browser; Google Drive answers a script with a page"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint whose state dict was read whole, in its order.

    `digest` is of the file, `tensors_digest` of the tensors alone (see `digest_tensors`). The
    tensors' data are views into the mapped file.
    """

    path: Path
    name: str
    digest: Sha256
    tensors_digest: Sha256
    state_dict: StateDict

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors of the state dict."""
        return self.state_dict.tensors


def open_checkpoint(path: Path, recipe: Recipe, *, pinned: bool = True) -> Checkpoint:
    """Open a checkpoint of torch's or a safetensors file; raises `InputError` for anything else.

    With `pinned` its digest must be the recipe's. A file with another digest is still read, which
    is harmless, so that the error can say what it is.
    """
    content = map_checkpoint(path)
    digest = Sha256.of_bytes(content)
    state_dict = read_state_dict(content, path.name, recipe.checkpoint.state_dict)
    if pinned and digest != recipe.checkpoint.sha256:
        raise InputError(
            f"{path.name} has the digest {digest}, the recipe {recipe.name} pins "
            f"{recipe.checkpoint.sha256}",
            hint="only a rehearsal or an export takes another, with --unpinned-checkpoint",
        )
    check_hygiene(state_dict.tensors, path.name)
    tensors_digest = digest_tensors(state_dict.tensors)
    return Checkpoint(path, path.name, digest, tensors_digest, state_dict)


def map_checkpoint(path: Path) -> memoryview:
    """Map a file of at most 2 GiB for reading; the map lives as long as the view."""
    with open_regular(path) as stream:
        size = stream.seek(0, 2)
        if size == 0:
            raise InputError(f"{path.name} is empty, not a checkpoint")
        if size > MAX_FILE_BYTES:
            raise InputError(f"{path.name} is larger than 2 GiB")
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))


def read_state_dict(content: memoryview, name: str, place: StateDictPlace) -> StateDict:
    """Read the tensors of a checkpoint; raises `InputError` that says what is wrong with it."""
    kind = recognise(content)
    try:
        return find_state_dict(unpickle(content, kind), place)
    except (RefusedGlobal, MalformedPickle) as error:
        if kind is Format.PICKLE and isinstance(error, MalformedPickle):
            raise InputError(f"{name} is {kind.value} that torch did not write: {error}") from error
        raise InputError(f"{name}: {error}", hint=error.hint) from error
    except InputError as error:
        raise InputError(f"{name}: {error}", hint=error.hint) from error


def unpickle(content: memoryview, kind: Format) -> Unpickled:
    """Read a file's pickle and find its storages, by its format."""
    match kind:
        case Format.ZIP:
            return read_zip(content)
        case Format.LEGACY:
            return read_legacy(content)
        case Format.PICKLE:
            return read_bare(content)
        case Format.SAFETENSORS:
            return read_safetensors(content)
    hint = HTML_HINT if kind is Format.HTML else KNOWN_HINT
    raise InputError(f"this is {kind.value}, not a checkpoint", hint=hint)
