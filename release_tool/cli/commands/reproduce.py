"""`release-tool reproduce`: a second builder's rebuild of a release, and its signed word for it."""

import os
import sys
from pathlib import Path

import click

from release_tool.chain.reproduce import reproduce_release
from release_tool.cli.belief import resolve_api, resolve_belief
from release_tool.cli.given import SignerOptions, SigningOptions, SourceOptions
from release_tool.cli.judge.judging import Judge
from release_tool.cli.judge.sides import Places, open_place
from release_tool.cli.options import (
    DIRECTORY,
    with_github,
    with_output,
    with_own_identity,
    with_reader_settings,
    with_signer,
    with_sources_online,
)
from release_tool.cli.settings import Settings
from release_tool.cli.signing import check_workflow_disclosure
from release_tool.cli.sourcing import resolve_source
from release_tool.cli.state import State
from release_tool.core.digest import Sha256
from release_tool.core.errors import SigningError
from release_tool.core.files import write_whole
from release_tool.provenance.reproduction import make_summary
from release_tool.recipes import layout
from release_tool.recipes.toml.writing import write_recipe
from release_tool.sigstore.sign.services import make_patience
from release_tool.sigstore.sign.session import open_session
from release_tool.sigstore.sign.token import Identity, open_identity
from release_tool.sigstore.trust.instance import open_instance


@click.command("reproduce")
@click.argument("release", metavar="OWNER/NAME@TAG|DIR")
@click.option(
    "--out", type=DIRECTORY, default=".", show_default=True, help="Where the summary goes."
)
@with_sources_online
@with_signer
@with_own_identity
@with_github
@with_reader_settings
@with_output
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    release: str,
    out: Path,
    sources: SourceOptions,
    signer: SignerOptions,
    signing: SigningOptions,
    github_api: str | None,
) -> None:
    """Make a release again, compare every byte, and sign that it came out.

    The release is verified first, as by `verify`. Then this environment must be the toolchain that
    its manifest states, and model, manifest, licence and bill of materials must come out byte for
    byte. That is signed as a SLSA verification summary with whatever identity is at hand, for those
    who ask `verify --reproduced-by` for a second party. Exit code 4 means that it did not come out.

    \b
    Example:
      release-tool reproduce VMAFx/vmafx@u2netp-mirror-v1
    """
    recipe, belief = settings.recipe, resolve_belief(signer, settings)
    instance = open_instance(signing.source(settings.configuration), progress=state)
    judge = Judge(recipe, belief.signer, instance.trusted_root, belief.demands(settings))
    places = Places(recipe, resolve_api(github_api, settings), offline=False)
    with open_place(release, places, state) as directory:
        with state.stage("verify"):
            verified = judge.verdict(str(directory)).verified
        # An identity is found before minutes are spent on what it is for.
        patience = make_patience(state, signing.patience)
        identity = open_identity(
            instance,
            signing.identity_token,
            interactive=sys.stdin.isatty(),
            patience=patience,
        )
        check_other(identity, verified.signer.identity if verified else "")
        check_workflow_disclosure(identity, signing, settings)
        source = resolve_source(sources, recipe, state)
        files = reproduce_release(directory, recipe, source, os.environ, progress=state)
    name = summary_name(recipe.names.model, identity)
    policy = Sha256.of_bytes(write_recipe(recipe).encode())
    payload = make_summary(
        files, release_uri(release), recipe.name, policy, identity.signer.identity
    )
    with state.stage("sign"), open_session(instance, identity, patience) as session:
        write_whole(out / name, session.sign_statement(payload))
    document = {
        "reproduced": [{"name": file.name, "digest": str(file.digest)} for file in files],
        "identity": identity.signer.identity,
        "summary": str(out / name),
    }
    rows = [(file.name, f"{file.digest}  the same") for file in files]
    rows += [("reproduced by", identity.signer.identity), ("summary", str(out / name))]
    rows.append(("next", "offer it to the publisher, or attach it to a release of your own"))
    state.print_result(document, rows)


def check_other(identity: Identity, publisher: str) -> None:
    """Refuse to vouch for one's own release."""
    if identity.signer.identity == publisher:
        raise SigningError(
            f"{publisher} has published the release; its own word for it adds nothing",
            hint="run it with another identity",
        )


def summary_name(model: str, identity: Identity) -> str:
    """Name the summary by the model and, in short, by who signs it."""
    signer = identity.signer
    short = Sha256.of_bytes(f"{signer.identity}\n{signer.issuer}".encode()).hex[:12]
    return f"{model}.reproduced-by.{short}{layout.BUNDLE_SUFFIX}"


def release_uri(release: str) -> str:
    """Name the release by its address; one in a directory has none that others could follow."""
    repo, at, tag = release.partition("@")
    return f"https://github.com/{repo}/releases/tag/{tag}" if at else "urn:release-tool:directory"
