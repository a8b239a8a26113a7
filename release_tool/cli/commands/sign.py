"""`release-tool sign`: who says so."""

import os
from contextlib import nullcontext
from pathlib import Path

import click

from release_tool.chain.sign import sign_release
from release_tool.cli.given import SigningOptions
from release_tool.cli.judge.verdicts import show_verdict
from release_tool.cli.options import (
    DIRECTORY,
    with_output,
    with_settings,
    with_signing,
    with_unpinned,
)
from release_tool.cli.settings import Settings
from release_tool.cli.signing import open_signer
from release_tool.cli.state import State
from release_tool.core.locks import in_turn
from release_tool.provenance.exported import open_exported
from release_tool.provenance.statement import Builder
from release_tool.sigstore.sign.services import make_patience
from release_tool.sigstore.trust.instance import open_instance


@click.command("sign")
@click.argument("directory", type=DIRECTORY, default="dist")
@with_unpinned
@with_signing
@with_settings
@with_output
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    directory: Path,
    unpinned: bool,
    signing: SigningOptions,
) -> None:
    """Sign the files of a release with Sigstore.

    Signs the model, and a provenance statement over every file of the release, with a key that
    lives for this run only. Takes GitHub Actions' own identity, or yours in a browser. Files that
    are no longer what the manifest states are refused, and so is an identity that is not the
    recipe's publisher, before anything is signed.

    \b
    Example:
      release-tool sign dist
    """
    patience = make_patience(state, signing.patience)
    named = signing.source(settings.configuration)
    instance = patience.outlast(lambda: open_instance(named, progress=state))
    # An identity's token may last for minutes only, so whoever waits does so before.
    with in_turn(directory, state.note) if directory.is_dir() else nullcontext():
        identity = open_signer(instance, signing, settings, patience)
        builder = Builder.from_environment(os.environ)
        signed = sign_release(
            open_exported(directory, settings.recipe),
            settings.recipe,
            instance,
            identity,
            builder,
            unpinned=unpinned,
            patience=patience,
            progress=state,
        )
    show_verdict(state, signed.verified)
