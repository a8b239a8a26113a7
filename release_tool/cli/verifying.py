"""Reaches the verdicts that `verify` was asked for, and prints them.

Loads what judges; the options are declared in `verify`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from release_tool.cli.belief import choose_api, choose_root, resolve_belief, root_source
from release_tool.cli.given import EvidenceOptions, SignerOptions, TrustOptions
from release_tool.cli.judge.judging import AskOthers, FindBundles, Judge, Prove, Rebuild
from release_tool.cli.judge.verdicts import show_outcomes
from release_tool.cli.settings import Settings
from release_tool.cli.state import State
from release_tool.core.digest import Sha256
from release_tool.core.errors import UsageError
from release_tool.core.limits import BUNDLE_LIMIT_BYTES
from release_tool.sigstore.trust.instance import TrustedRoot, open_trusted_root
from release_tool.verify.evidence import read_evidence
from release_tool.verify.locate import HashFile, hash_model

FindAttested = Callable[[Sha256, TrustedRoot], str | None]


def verify_models(
    models: tuple[str, ...],
    wanted: EvidenceOptions,
    believed: tuple[SignerOptions, TrustOptions, str | None],
    settings: Settings,
    state: State,
    hash_file: HashFile,
) -> None:
    """Say who is expected to have signed, judge every model, and print what came out."""
    signer, trust, github_api = believed
    belief = resolve_belief(signer, settings)
    asked = choose_api(github_api, settings)
    for line in belief.notes(choose_root(trust, settings), *([asked] if wanted.origin else [])):
        state.note(line)
    root = open_trusted_root(root_source(trust, settings), offline=trust.offline, progress=state)
    demands = belief.demands(settings, wanted.require)
    proofs = open_proofs(wanted, settings, state)
    with (
        open_bundles(wanted, asked.value, trust, hash_file, state) as (find_bundles, attest),
        open_reproducers(wanted, asked.value, trust, root, state) as ask_others,
    ):
        held = belief.recipe(settings)
        judge = Judge(held, belief.signer, root, demands, find_bundles, hash_file, *proofs)
        judge = replace(judge, ask_others=ask_others)
        if attest is not None:
            judge = replace(judge, attest=lambda digest: attest(digest, root))
        outcomes = judge.outcomes(models)
    show_outcomes(state, outcomes)


def open_proofs(
    wanted: EvidenceOptions, settings: Settings, state: State
) -> tuple[Prove | None, Rebuild | None]:
    """Return what proves a model's lineage, and what makes it again, each where it is asked for."""
    checkpoint, pinned = wanted.checkpoint, not wanted.unpinned_checkpoint
    if checkpoint is None:
        return None, None
    from release_tool.cli.judge.proving import Lineage  # noqa: PLC0415  (only when it is asked for)

    prove = Lineage.of(checkpoint, settings, pinned=pinned).prove
    if wanted.upstream_dir is None:
        return prove, None
    from release_tool.cli.judge import rebuilding  # noqa: PLC0415  (loads every stage)
    from release_tool.upstream.sources import Source  # noqa: PLC0415

    source = Source(wanted.upstream_dir, checkpoint, pinned=pinned)
    return prove, rebuilding.Rebuild(source, settings.recipe, state).prove


@contextmanager
def open_reproducers(
    wanted: EvidenceOptions, api: str, trust: TrustOptions, root: TrustedRoot, state: State
) -> Iterator[AskOthers | None]:
    """Yield what asks other parties whether they have made the release again, if that is wanted."""
    if not wanted.reproduced_by:
        yield None
        return
    from release_tool.cli.judge import reproductions  # noqa: PLC0415  (only when it is asked for)

    parties = tuple(reproductions.parse_party(text) for text in wanted.reproduced_by)
    ask = reproductions.Reproducers(parties, wanted.reproductions, root)
    if wanted.reproductions_from is None:
        yield ask.prove
    elif trust.offline:
        raise UsageError("--offline and --reproductions-from exclude each other")
    else:
        from release_tool.cli.origins import open_origin  # noqa: PLC0415  (loads an HTTP client)

        with open_origin(wanted.reproductions_from, api, hash_model, state) as (fetch, _attest):
            yield replace(ask, fetch=lambda digest: fetch("", digest)).prove


@contextmanager
def open_bundles(
    wanted: EvidenceOptions, api: str, trust: TrustOptions, hash_file: HashFile, state: State
) -> Iterator[tuple[FindBundles | None, FindAttested | None]]:
    """Yield what finds a model's bundles: the one given, those at the origin, or nothing.

    At an origin also what holds the model against GitHub's own word of the release.
    """
    if wanted.bundle is not None:
        content = read_evidence(wanted.bundle, BUNDLE_LIMIT_BYTES)
        yield (lambda _model, _digest: (content,)), None
    elif wanted.origin is None:
        yield None, None
    elif trust.offline:
        raise UsageError("--offline and --from exclude each other")
    else:
        from release_tool.cli.origins import open_origin  # noqa: PLC0415  (loads an HTTP client)

        with open_origin(wanted.origin, api, hash_file, state) as found:
            yield found
