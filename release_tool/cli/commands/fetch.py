"""`release-tool fetch`: download, verify, install."""

import os
from pathlib import Path

import click

from release_tool.cli.belief import choose_api, choose_root, resolve_belief, root_source
from release_tool.cli.given import SignerOptions, TrustOptions
from release_tool.cli.judge.downloading import fetch_files
from release_tool.cli.judge.verdicts import verdict_rows
from release_tool.cli.options import DIRECTORY, with_verifying
from release_tool.cli.reading import open_read_api
from release_tool.cli.settings import Settings
from release_tool.cli.state import State
from release_tool.cli.tokens import find_token
from release_tool.core.errors import UsageError
from release_tool.core.names import Destination
from release_tool.github.download import fetch_release_attestations
from release_tool.sigstore.trust.instance import open_trusted_root
from release_tool.verify.attested import AttestedRelease, check_attestations, name_files
from release_tool.verify.evidence import open_evidence
from release_tool.verify.install import install_release
from release_tool.verify.quarantine import open_quarantine
from release_tool.verify.verdict import verify_release


@click.command("fetch")
@click.argument("release", metavar="OWNER/NAME@TAG")
@click.option(
    "--to",
    "directory",
    type=DIRECTORY,
    default="model",
    show_default=True,
    help="Where the model is installed.",
)
@with_verifying
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    release: str,
    directory: Path,
    signer: SignerOptions,
    trust: TrustOptions,
    github_api: str | None,
) -> None:
    """Download a release, verify it, then install the model.

    Everything lands in quarantine first; the model appears under the name that its consumer
    expects only once the verdict is there, whole and at once. An interrupted download is resumed.

    \b
    Example:
      release-tool fetch VMAFx/vmafx@u2netp-mirror-v1 --to model
    """
    if trust.offline:
        raise UsageError("fetch needs a network; to verify what is here, use verify --offline")
    wanted = Destination.parse(release)
    belief = resolve_belief(signer, settings)
    asked = choose_api(github_api, settings)
    for line in belief.notes(choose_root(trust, settings), asked):
        state.note(line)
    root = open_trusted_root(root_source(trust, settings), offline=False, progress=state)
    with (
        open_quarantine(directory, wanted) as place,
        open_read_api(asked.value, find_token(os.environ), state) as source,
    ):
        with state.stage("download"):
            recipe = fetch_files(source, wanted, belief.recipe(settings), place, state)
        with state.stage("verify"):
            evidence = open_evidence(place, recipe)
            verified = verify_release(evidence, belief.signer, root, belief.demands(settings))
            attested = check_attestations(
                fetch_release_attestations(source, wanted.repo, evidence.digest),
                AttestedRelease(wanted.repo, wanted.tag),
                name_files(evidence),
                root,
            )
        installed = install_release(evidence, verified, directory, recipe)
    rows = [*verdict_rows(verified, verbose=state.verbose), ("installed", str(installed))]
    if attested is not None:
        rows.append(("GitHub", attested))
    document = {**verified.to_json(), "installed": str(installed), "attested": attested}
    state.print_result(document, rows)
