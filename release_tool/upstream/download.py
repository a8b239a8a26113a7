"""Fetches the checkpoint that a recipe pins from any address, believing nothing but its digest.

Whose address it is, is the user's choice; what the bytes are made of, `checkpoint` says.
"""

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError, TryAgain
from release_tool.core.files import new_file
from release_tool.core.progress import SILENT, Progress
from release_tool.net.exchange import Response, is_plain, open_anywhere
from release_tool.net.hops import Hop
from release_tool.net.sockets import Resolve, Sockets, resolve_name
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.drive import find_download

SILENCE_SECONDS = 30.0
DEADLINE_SECONDS = 1800.0
PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype\s+html|html|head|script)[\s>]", re.IGNORECASE)
PAGE_HINT = "a viewer or a quota page, perhaps; give an address that answers with the file itself"
MAX_PAGE_BYTES = 64 * 1024
LOGIN_HINT = "no login is ever sent; give an address that answers everybody with the file itself"


@dataclass(frozen=True, slots=True)
class FetchedCheckpoint:
    """A file with the digest that the recipe pins; `reused` where it had been there before."""

    path: Path
    size: int
    digest: Sha256
    reused: bool


class WebPage(InputError):
    """There is a web page where the file should be; `content` is its beginning."""

    def __init__(self, hop: Hop, content: bytes) -> None:
        super().__init__(f"{hop.name} answered with a web page, not with the file", hint=PAGE_HINT)
        self.hop = hop
        self.content = content


def fetch_checkpoint(
    url: str,
    recipe: Recipe,
    to: Path,
    *,
    deadline_seconds: float = DEADLINE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    resolve: Resolve = resolve_name,
    progress: Progress = SILENT,
) -> FetchedCheckpoint:
    """Fetch the pinned checkpoint to `to`, whole or not at all.

    Raises `InputError` for an address, an answer or bytes that are not what was asked for, and
    `TryAgain` for a network that fails or is slower than `deadline_seconds`.
    """
    given = Hop.given(url)
    pinned = recipe.checkpoint.sha256
    if to.is_file() and Sha256.of_file(to) == pinned:
        return FetchedCheckpoint(to, to.stat().st_size, pinned, reused=True)
    sockets = Sockets(resolve, clock)
    with sockets.within(deadline_seconds):
        try:
            return fetch_file(given, recipe, to, sockets, progress)
        except WebPage as page:
            download = find_download(page.content, str(page.hop.address))
            if download is None:
                raise
            following = page.hop.follow(download)  # whoever sent the page may have written it
        progress.note("a page stands before the file, with a form that leads to it")
        return fetch_file(following, recipe, to, sockets, progress)


def fetch_file(
    given: Hop, recipe: Recipe, to: Path, sockets: Sockets, progress: Progress
) -> FetchedCheckpoint:
    """Fetch the pinned checkpoint from one address; raises `WebPage` where a page stands there."""
    pinned = recipe.checkpoint.sha256
    with (
        new_file(to) as quarantine,
        open_anywhere(given, sockets, SILENCE_SECONDS) as (hop, answer),
    ):
        check_answer(hop, answer)
        size, digest = copy(hop, answer, quarantine, recipe, progress)
        if digest != pinned:
            raise InputError(
                f"{hop.name} sent {digest}, the recipe {recipe.name} pins {pinned}",
                hint="that is another file; nothing was kept of it",
            )
    return FetchedCheckpoint(to, size, digest, reused=False)


def check_answer(hop: Hop, response: Response) -> None:
    """Refuse whatever is not the file itself, and say whether another attempt may help."""
    host, status = hop.name, response.status_code
    if status == 429 or status >= 500:
        raise TryAgain(f"{host} answered {status}")
    if status in (401, 403, 407):
        raise InputError(f"{host} answered {status}: it asks for a login", hint=LOGIN_HINT)
    if status != 200:
        raise InputError(f"{host} answered {status}", hint="is that the address of the file?")
    if response.headers.get("content-type", "").lower().startswith("text/html"):
        raise WebPage(hop, read_page(response))
    if not is_plain(response):
        raise InputError(f"{host} compressed its answer, which was not asked for")


def read_page(response: Response) -> bytes:
    """Read the beginning of a web page, in which the form of a large file's page stands."""
    page = b""
    for chunk in response.iter_raw():
        page += chunk
        if len(page) > MAX_PAGE_BYTES:
            break
    return page[:MAX_PAGE_BYTES]


def copy(
    hop: Hop, response: Response, quarantine: Path, recipe: Recipe, progress: Progress
) -> tuple[int, Sha256]:
    """Write the body to `quarantine`, within the recipe's limit; return its size and digest.

    The limit is the model's: a checkpoint holds the same tensors and little else.
    """
    host, limit = hop.name, recipe.contract.limits.max_model_bytes
    too_large = f"{host} sends more than the {limit} bytes that {recipe.name} allows"
    declared = response.headers.get("content-length", "")
    total = int(declared) if declared.isascii() and declared.isdigit() else limit
    if total > limit:
        raise InputError(too_large)
    hasher, size = hashlib.sha256(), 0
    with quarantine.open("wb") as stream, progress.bar("checkpoint", total) as advance:
        for chunk in response.iter_raw():
            if size == 0 and PAGE.match(chunk):
                raise InputError(f"{host} sent a web page, not the file", hint=PAGE_HINT)
            size += len(chunk)
            if size > limit:
                raise InputError(too_large)
            hasher.update(chunk)
            stream.write(chunk)
            advance(len(chunk))
    return size, Sha256(hasher.hexdigest())
