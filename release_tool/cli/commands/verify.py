"""`release-tool verify`: a consumer's verdict.

Only parses and begins to hash; `verifying`, which takes longer to load, does the rest.
"""

from pathlib import Path

import click

from release_tool.cli.given import EvidenceOptions, SignerOptions, TrustOptions, parse_digest
from release_tool.cli.interruption import quitting_at_once
from release_tool.cli.options import (
    DIRECTORY,
    FILE,
    TEXT,
    grouped,
    with_quiet,
    with_unpinned_checkpoint,
    with_verifying,
)
from release_tool.cli.settings import Settings
from release_tool.cli.state import State
from release_tool.core.errors import UsageError
from release_tool.verify.ahead import hashing_ahead
from release_tool.verify.locate import find_files

with_evidence = grouped(
    EvidenceOptions,
    "wanted",
    click.option("--bundle", type=FILE, help="The bundle, where it is not beside the model."),
    click.option(
        "--from",
        "origin",
        type=TEXT,
        metavar="OWNER/NAME[@TAG]",
        help="Fetch the bundle from that release, or from the repository's attestations.",
    ),
    click.option(
        "--require",
        type=click.Choice(["provenance", "evaluation"]),
        multiple=True,
        help="Demand more than a signature of the model: signed provenance, or an evaluation that "
        "it passed; may be repeated.",
    ),
    click.option(
        "--checkpoint", type=FILE, help="Also prove that these weights stand in the model."
    ),
    click.option(
        "--upstream-dir",
        type=DIRECTORY,
        help="With --checkpoint: export again from this checkout and compare every byte.",
    ),
    with_unpinned_checkpoint,
    click.option(
        "--reproduced-by",
        type=TEXT,
        multiple=True,
        metavar="OWNER/NAME|IDENTITY",
        help="Demand that this other party has made the release again; may be repeated. A "
        "repository means its reproduce.yml on main.",
    ),
    click.option(
        "--reproduction",
        "reproductions",
        type=FILE,
        multiple=True,
        help="Such a party's summary, where it is not beside the model.",
    ),
    click.option(
        "--reproductions-from",
        type=TEXT,
        metavar="OWNER/NAME",
        help="Fetch the summary from that repository's attestations.",
    ),
)


@click.command("verify")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@with_evidence
@with_verifying
@with_quiet
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    models: tuple[str, ...],
    wanted: EvidenceOptions,
    signer: SignerOptions,
    trust: TrustOptions,
    github_api: str | None,
) -> None:
    """Reach a verdict on a model: who released it, and is it intact.

    MODEL is a file with its bundle beside it, the directory of a release, or sha256:<hex>. Without
    options the recipe's publisher is expected to have signed, and the file to be the very model
    that the recipe pins. With --repo or --cert-identity a signature alone vouches for bytes, of
    whatever kind they are. Exit code 0 means verified, 8 that the evidence says no, 9 that there is
    no verdict; use the file in no case but the first.

    \b
    Examples:
      release-tool verify u2netp_mirror_v1.onnx
      release-tool verify model.onnx --repo VMAFx/vmafx --ref refs/heads/master --offline
      release-tool verify release/ --trusted-root trusted_root.json --json
      release-tool verify u2netp_mirror_v1.onnx --checkpoint u2netp.pth
    """
    if wanted.bundle is not None and (len(models) > 1 or wanted.origin is not None):
        raise UsageError("--bundle goes with one model, and without --from")
    if wanted.upstream_dir is not None and wanted.checkpoint is None:
        raise UsageError("--upstream-dir goes with --checkpoint")
    if (wanted.reproductions or wanted.reproductions_from) and not wanted.reproduced_by:
        raise UsageError("--reproduction and --reproductions-from go with --reproduced-by")
    # A malformed digest is told before anybody is asked for anything.
    paths = [Path(model) for model in models if parse_digest(model) is None]
    with hashing_ahead(find_files(paths)) as hash_file:
        with quitting_at_once():
            from release_tool.cli.verifying import verify_models  # noqa: PLC0415  (takes time)

        believed = (signer, trust, github_api)
        verify_models(models, wanted, believed, settings, state, hash_file)
