"""`release-tool verify`: a consumer's verdict."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from release_tool.cli.belief import choose_api, choose_root, resolve_belief, root_source
from release_tool.cli.given import SignerOptions, TrustOptions
from release_tool.cli.judging import FindBundles, Judge, Prove, Rebuild, parse_digest
from release_tool.cli.options import DIRECTORY, FILE, TEXT, with_quiet, with_verifying
from release_tool.cli.settings import Settings
from release_tool.cli.state import State
from release_tool.cli.verdicts import show_outcomes
from release_tool.core.ahead import Ahead, HashFile
from release_tool.core.errors import UsageError
from release_tool.sigstore.check.bundle import BUNDLE_LIMIT_BYTES
from release_tool.sigstore.trust.instance import open_trusted_root
from release_tool.verify.evidence import read_evidence
from release_tool.verify.locate import hash_model


@click.command("verify")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--bundle", type=FILE, help="The bundle, where it is not beside the model.")
@click.option(
    "--from",
    "origin",
    type=TEXT,
    metavar="OWNER/NAME[@TAG]",
    help="Fetch the bundle from that release, or from the repository's attestations.",
)
@click.option(
    "--require",
    type=click.Choice(["provenance"]),
    help="Demand more than a signature of the model: signed provenance.",
)
@click.option("--checkpoint", type=FILE, help="Also prove that these weights stand in the model.")
@click.option(
    "--upstream-dir",
    type=DIRECTORY,
    help="With --checkpoint: export again from this checkout and compare every byte.",
)
@click.option("--unpinned-checkpoint", is_flag=True, help="Take another than the pinned one.")
@with_verifying
@with_quiet
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    models: tuple[str, ...],
    bundle: Path | None,
    origin: str | None,
    require: str | None,
    checkpoint: Path | None,
    upstream_dir: Path | None,
    unpinned_checkpoint: bool,
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
    if bundle is not None and (len(models) > 1 or origin is not None):
        raise UsageError("--bundle goes with one model, and without --from")
    if upstream_dir is not None and checkpoint is None:
        raise UsageError("--upstream-dir goes with --checkpoint")
    for model in models:
        parse_digest(model)  # a malformed one is told before anybody is asked for anything
    belief = resolve_belief(signer, settings)
    asked = choose_api(github_api, settings)
    for line in belief.notes(choose_root(trust, settings), *([asked] if origin else [])):
        state.note(line)
    root = open_trusted_root(root_source(trust, settings), offline=trust.offline, progress=state)
    demands = belief.demands(settings.recipe, provenance=require is not None)
    proofs = open_proofs(checkpoint, upstream_dir, settings, state, not unpinned_checkpoint)
    hash_file = Ahead(state.hashers, hash_model).hash if state.hashers else hash_model
    with open_bundles(origin, bundle, asked.value, trust, hash_file) as find_bundles:
        judge = Judge(
            settings.recipe, belief.signer, root, demands, find_bundles, hash_file, *proofs
        )
        outcomes = judge.outcomes(models)
    show_outcomes(state, outcomes)


def open_proofs(
    checkpoint: Path | None,
    upstream_dir: Path | None,
    settings: Settings,
    state: State,
    pinned: bool,
) -> tuple[Prove | None, Rebuild | None]:
    """Return what proves a model's lineage, and what makes it again, each where it is asked for."""
    if checkpoint is None:
        return None, None
    from release_tool.cli.proving import Lineage  # noqa: PLC0415  (only when it is asked for)

    prove = Lineage.of(checkpoint, settings, pinned=pinned).prove
    if upstream_dir is None:
        return prove, None
    from release_tool.chain import Source  # noqa: PLC0415
    from release_tool.cli import rebuilding  # noqa: PLC0415  (loads every stage)

    source = Source(upstream_dir, checkpoint, pinned=pinned)
    return prove, rebuilding.Rebuild(source, settings.recipe, state).prove


@contextmanager
def open_bundles(
    origin: str | None, given: Path | None, api: str, trust: TrustOptions, hash_file: HashFile
) -> Iterator[FindBundles | None]:
    """Yield what finds a model's bundles: the one given, those at `origin`, or nothing."""
    if given is not None:
        content = read_evidence(given, BUNDLE_LIMIT_BYTES)
        yield lambda _model, _digest: (content,)
    elif origin is None:
        yield None
    elif trust.offline:
        raise UsageError("--offline and --from exclude each other")
    else:
        from release_tool.cli.origins import open_origin  # noqa: PLC0415  (loads an HTTP client)

        with open_origin(origin, api, hash_file) as fetch:
            yield fetch
