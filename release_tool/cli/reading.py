"""Opens the consumer's way to a release; a token is optional there and only for private ones."""

from collections.abc import Iterator
from contextlib import contextmanager

from release_tool.core.progress import Progress
from release_tool.github.origin import ApiRoot
from release_tool.github.transfer import ReadApi, make_read_api
from release_tool.net.token import Token


@contextmanager
def open_read_api(api: str, token: Token | str | None, progress: Progress) -> Iterator[ReadApi]:
    """Open a client for the API at `api`; proxies of the environment never see loopback.

    Raises `UsageError` for a bad address, a malformed token, or an unusable proxy.
    """
    root = ApiRoot.parse(api)
    with root.open_client() as client:
        yield make_read_api(client, root.url, token, progress)
