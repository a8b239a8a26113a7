"""Opens the consumer's way to a release; a token is optional there and only for private ones."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from release_tool.verify.transfer import LOOPBACK, Source


@contextmanager
def open_source(api: str, token: str | None) -> Iterator[Source]:
    """Open a client for the API at `api`; proxies of the environment never see loopback."""
    try:
        local = httpx.URL(api).host in LOOPBACK
    except httpx.InvalidURL:
        local = False
    with httpx.Client(trust_env=not local) as client:
        yield Source(client, api, token)
