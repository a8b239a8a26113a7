"""`release-tool checkpoint`: the pinned checkpoint, from wherever it can be had."""

from pathlib import Path

import click

from release_tool.cli.options import FILE, with_cache, with_offline, with_output, with_settings
from release_tool.cli.settings import Settings
from release_tool.cli.sourcing import fetch_to
from release_tool.cli.state import State
from release_tool.core.errors import UsageError
from release_tool.upstream.download import fetch_checkpoint


@click.command("checkpoint")
@click.argument("url", metavar="[URL]", required=False)
@click.option("--to", type=FILE, required=True, help="The file that it becomes.")
@with_cache
@with_offline
@with_settings
@with_output
@click.pass_obj
def command(
    state: State, settings: Settings, url: str | None, to: Path, cache: Path | None, offline: bool
) -> None:
    """Fetch the pinned checkpoint from its sources, or any https address.

    The recipe pins the digest, so it does not matter whose server it is: the file appears only if
    it is the pinned one, whole and at once. Redirects are followed over https, but never to this
    machine or into a private network; no login and no cookie is ever sent.

    \b
    Examples:
      release-tool checkpoint --to u2netp.pth
      release-tool checkpoint https://example.org/u2netp.pth --to u2netp.pth
    """
    if url is not None and offline:
        raise UsageError("--offline and an address exclude each other")
    with state.stage("checkpoint"):
        if url is None:
            found = fetch_to(to, settings.recipe, cache, offline, state)
        else:
            found = fetch_checkpoint(url, settings.recipe, to, progress=state)
    how = "there already" if found.reused else "fetched"
    document = {
        "path": str(found.path),
        "digest": str(found.digest),
        "size_bytes": found.size,
        "reused": found.reused,
    }
    rows = [(how, str(found.path)), ("digest", str(found.digest)), ("size", f"{found.size} bytes")]
    state.print_result(document, rows)
