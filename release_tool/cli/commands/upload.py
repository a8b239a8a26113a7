"""`release-tool upload`: a signed release goes to GitHub."""

import os
from pathlib import Path

import click

from release_tool.chain.signed import open_signed
from release_tool.chain.upload import Publication, upload_release
from release_tool.cli.belief import (
    choose_root,
    resolve_api,
    resolve_destination,
    resolve_own_belief,
    root_source,
)
from release_tool.cli.given import DestinationOptions, SignerOptions, TrustOptions
from release_tool.cli.options import (
    DIRECTORY,
    with_destination,
    with_judging,
    with_keep_draft,
    with_latest,
    with_output,
    with_settings,
    with_unpinned,
)
from release_tool.cli.reading import open_read_api
from release_tool.cli.releases import show_release
from release_tool.cli.settings import Settings
from release_tool.cli.state import State
from release_tool.cli.tokens import require_token
from release_tool.core.names import Latest
from release_tool.github.client import open_github
from release_tool.sigstore.trust.instance import open_trusted_root


@click.command("upload")
@click.argument("directory", type=DIRECTORY, default="dist")
@with_destination
@with_latest
@with_keep_draft
@with_unpinned
@with_judging
@with_settings
@with_output
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    directory: Path,
    destination: DestinationOptions,
    latest: Latest | None,
    keep_draft: bool,
    unpinned: bool,
    signer: SignerOptions,
    trust: TrustOptions,
    github_api: str | None,
) -> None:
    """Put a signed release on GitHub, draft first, published last.

    Verifies the release as a consumer would before the first byte leaves, and that it is what the
    recipe pins; uploads what is missing
    to a draft, compares every digest, publishes, and reads back. Run it again after any
    interruption. The token comes from GH_TOKEN or GITHUB_TOKEN.

    \b
    Example:
      release-tool upload dist --repo VMAFx/vmafx --tag u2netp-mirror-v1
    """
    recipe = settings.recipe
    to = resolve_destination(destination, signer.repo, settings, latest)
    belief = resolve_own_belief(signer, settings)
    for line in belief.notes(choose_root(trust, settings)):
        state.note(line)
    root = open_trusted_root(root_source(trust, settings), offline=trust.offline, progress=state)
    token = require_token(os.environ)
    api = resolve_api(github_api, settings)
    with (
        open_github(api, token, progress=state) as github,
        open_read_api(api, token, state) as source,
    ):
        with state.stage("verify before upload"):
            signed = open_signed(directory, recipe, belief.signer, root, unpinned=unpinned)
        target = Publication(github, source, to, keep_draft, unpinned)
        result, _verified = upload_release(
            signed, recipe, target, belief.signer, root, progress=state
        )
    show_release(state, result)
