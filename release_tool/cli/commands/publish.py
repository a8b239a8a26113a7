"""`release-tool publish`: the whole release in one command."""

import os
from pathlib import Path

import click

from release_tool.chain.publish import Plan, Services, publish
from release_tool.chain.upload import Publication
from release_tool.cli.belief import resolve_api, resolve_destination
from release_tool.cli.given import DestinationOptions, SigningOptions, SourceOptions
from release_tool.cli.options import (
    DIRECTORY,
    text,
    with_accept_license,
    with_destination,
    with_github,
    with_keep_draft,
    with_latest,
    with_no_replay,
    with_out,
    with_output,
    with_settings,
    with_signing,
    with_sources_online,
)
from release_tool.cli.reading import open_read_api
from release_tool.cli.releases import show_release
from release_tool.cli.settings import Settings
from release_tool.cli.signing import check_disclosure, open_signer
from release_tool.cli.sourcing import resolve_source
from release_tool.cli.state import State
from release_tool.cli.tokens import require_token
from release_tool.core.locks import in_turn
from release_tool.core.names import Latest
from release_tool.github.client import open_github
from release_tool.provenance.statement import Builder
from release_tool.sigstore.sign.services import make_patience
from release_tool.sigstore.trust.instance import open_instance


@click.command("publish")
@with_sources_online
@text("--repo", "OWNER/NAME", "Where the release goes.")
@with_out
@with_destination
@with_latest
@with_keep_draft
@with_no_replay
@click.option(
    "--evaluation",
    type=DIRECTORY,
    help="Release it with this report of `evaluate`, which must be of this very model.",
)
@with_signing
@with_github
@with_accept_license
@with_settings
@with_output
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    accept_license: str | None,
    sources: SourceOptions,
    repo: str | None,
    out: Path,
    destination: DestinationOptions,
    latest: Latest | None,
    keep_draft: bool,
    no_replay: bool,
    evaluation: Path | None,
    signing: SigningOptions,
    github_api: str | None,
) -> None:
    """Export, sign, upload and verify: the whole release.

    Nothing is visible until everything is there and verified. Run the same command again after any
    interruption: it goes on where it stopped, and published bytes are never changed. The token
    comes from GH_TOKEN or GITHUB_TOKEN. Checkout and checkpoint are fetched by the recipe's pins
    where they are not given, once: the cache keeps them.

    \b
    Examples:
      release-tool publish --repo VMAFx/vmafx
      release-tool publish --upstream-dir U-2-Net --checkpoint u2netp.pth --repo VMAFx/vmafx
    """
    settings = settings.accepting(accept_license)
    # What can fail cheaply fails first: nothing is exported for want of a token.
    to, token = resolve_destination(destination, repo, settings, latest), require_token(os.environ)
    api = resolve_api(github_api, settings)
    patience = make_patience(state, signing.patience)
    named = signing.source(settings.configuration)
    instance = patience.outlast(lambda: open_instance(named, progress=state))
    builder = Builder.from_environment(os.environ)
    source = resolve_source(sources, settings.recipe, state)
    evaluate = None if evaluation is None else (lambda _model: evaluation)
    plan = Plan(source, settings.recipe, out, replay=not no_replay, evaluate=evaluate)
    # An identity's token may last for minutes only, so whoever waits does so before.
    with (
        in_turn(out, state.note),
        open_github(api, token, progress=state) as github,
        open_read_api(api, token, state) as released,
    ):
        check_disclosure(github, to.repo, signing, settings)
        identity = open_signer(instance, signing, settings, patience)
        target = Publication(github, released, to, keep_draft=keep_draft)
        services = Services(instance, identity, builder, target, patience)
        result, _verified = publish(plan, services, os.environ, progress=state)
    show_release(state, result)
