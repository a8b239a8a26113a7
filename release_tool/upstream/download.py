"""Fetches the checkpoint that a recipe pins from any address, believing nothing but its digest.

Whose address it is, is the user's choice; what the bytes are made of, `checkpoint` says.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError, TryAgain
from release_tool.core.files import new_file
from release_tool.core.progress import SILENT, Progress
from release_tool.recipes.recipe import Recipe

MAX_REDIRECTS = 5
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
DEADLINE_SECONDS = 1800.0
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype\s+html|html|head|script)[\s>]", re.IGNORECASE)
HOST = re.compile(rb"[A-Za-z0-9_.:-]{1,255}")
PAGE_HINT = "a viewer or a quota page, perhaps; give an address that answers with the file itself"
DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class FetchedCheckpoint:
    """A file with the digest that the recipe pins; `reused` where it had been there before."""

    path: Path
    size: int
    digest: Sha256
    reused: bool


def fetch_checkpoint(
    client: httpx.Client,
    url: str,
    recipe: Recipe,
    to: Path,
    *,
    deadline_seconds: float = DEADLINE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    progress: Progress = SILENT,
) -> FetchedCheckpoint:
    """Fetch the pinned checkpoint to `to`, whole or not at all.

    Raises `InputError` for an address, an answer or bytes that are not what was asked for, and
    `TryAgain` for a network that fails or is slower than `deadline_seconds`.
    """
    address = parse_address(url)
    pinned = recipe.checkpoint.sha256
    if to.is_file() and Sha256.of_file(to) == pinned:
        return FetchedCheckpoint(to, to.stat().st_size, pinned, reused=True)
    deadline = clock() + deadline_seconds
    with new_file(to) as quarantine, network(address), open_answer(client, address) as answer:
        size, digest = copy(answer, quarantine, recipe, lambda: clock() > deadline, progress)
        if digest != pinned:
            raise InputError(
                f"{name_of(address)} sent {digest}, the recipe {recipe.name} pins {pinned}",
                hint="that is another file; nothing was kept of it",
            )
    return FetchedCheckpoint(to, size, digest, reused=False)


def parse_address(text: str) -> httpx.URL:
    """Read an https address, or an http one of this machine; raises `InputError`."""
    try:
        address = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError):
        address = httpx.URL("")
    plain = address.scheme == "http" and address.host in LOOPBACK
    if not HOST.fullmatch(address.raw_host) or not (address.scheme == "https" or plain):
        raise InputError(
            f"not an https address: {text[:120]!r}", hint="write it as https://HOST/PATH"
        )
    if address.userinfo:
        raise InputError("the address holds a user name or a password, which logs would keep")
    return address


def origin(address: httpx.URL) -> tuple[str, int | None]:
    """Return host and port: what has to stay the same for a redirect to be followed."""
    return address.host, address.port or DEFAULT_PORTS.get(address.scheme)


def name_of(address: httpx.URL) -> str:
    """Name an address's host and port for a message."""
    host = address.raw_host.decode("ascii")  # never the letters of another script
    return f"{host}:{address.port}" if address.port else host


@contextmanager
def network(address: httpx.URL) -> Iterator[None]:
    """Turn what a network does wrong into `TryAgain`."""
    try:
        yield
    except (httpx.HTTPError, httpx.StreamError) as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise TryAgain(f"the download from {name_of(address)} failed: {said}") from error


@contextmanager
def open_answer(client: httpx.Client, address: httpx.URL) -> Iterator[httpx.Response]:
    """Send the request, follow redirects within one host, and yield an answer worth reading.

    1. No credential of any kind leaves: what a client would add by itself is taken out.
    2. A redirect to another host or port is refused: nobody chose that host.
    3. Only a plain 200 is read.
    """
    for _ in range(MAX_REDIRECTS + 1):
        request = client.build_request("GET", address, timeout=TIMEOUT)
        for name in ("authorization", "cookie"):
            request.headers.pop(name, None)
        request.headers["Accept-Encoding"] = "identity"
        response = client.send(request, auth=None, stream=True, follow_redirects=False)
        try:
            if not response.has_redirect_location:
                check_answer(response)
                yield response
                return
            address = follow(address, response.headers["location"])
        finally:
            response.close()
    raise InputError(f"{name_of(address)} redirects more than {MAX_REDIRECTS} times")


def follow(address: httpx.URL, location: str) -> httpx.URL:
    """Return where a redirect leads, if that is on the same host; raises `InputError`."""
    target = parse_address(str(address.join(location)))
    if origin(target) != origin(address):
        raise InputError(
            f"{name_of(address)} redirects to another host, {name_of(target)}",
            hint=f"if you trust {name_of(target)}, give the address there",
        )
    return target


def check_answer(response: httpx.Response) -> None:
    """Refuse whatever is not the file itself, and say whether another attempt may help."""
    host, status = name_of(response.url), response.status_code
    if status == 429 or status >= 500:
        raise TryAgain(f"{host} answered {status}")
    if status != 200:
        raise InputError(f"{host} answered {status}", hint="is that the address of the file?")
    if response.headers.get("content-type", "").lower().startswith("text/html"):
        raise InputError(f"{host} answered with a web page, not with the file", hint=PAGE_HINT)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise InputError(f"{host} compressed its answer, which was not asked for")


def copy(
    response: httpx.Response,
    quarantine: Path,
    recipe: Recipe,
    too_late: Callable[[], bool],
    progress: Progress,
) -> tuple[int, Sha256]:
    """Write the body to `quarantine`, within the recipe's limit; return its size and digest.

    The limit is the model's: a checkpoint holds the same tensors and little else.
    """
    host, limit = name_of(response.url), recipe.graph.max_model_bytes
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
            if too_late():
                raise TryAgain(f"{host} is too slow: {size} bytes came before the deadline")
            hasher.update(chunk)
            stream.write(chunk)
            advance(len(chunk))
    return size, Sha256(hasher.hexdigest())
