"""Opens the consumer's way to a release; a token is optional there and only for private ones."""

from collections.abc import Iterator
from contextlib import contextmanager

from release_tool.core.api import ApiRoot, open_client
from release_tool.core.token import Token
from release_tool.verify.transfer import Source, make_source


@contextmanager
def open_source(api: str, token: Token | str | None) -> Iterator[Source]:
    """Open a client for the API at `api`; proxies of the environment never see loopback.

    Raises `UsageError` for a bad address, a malformed token, or an unusable proxy.
    """
    root = ApiRoot.parse(api)
    with open_client(root) as client:
        yield make_source(client, root.url, token)
