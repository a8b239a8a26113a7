"""How a verdict looks: a short table for people; its document is the verdict's own."""

from collections.abc import Sequence

from release_tool.cli.judge.judging import Judgement
from release_tool.cli.state import BLANK, Row, State
from release_tool.core.errors import NotVerified, ReleaseToolError
from release_tool.verify.release import VERDICTS_SCHEMA, VerifiedRelease

SIGNATURE_ONLY = "signature only: it vouches for these bytes, not for how they were made"


def show_verdict(state: State, verified: VerifiedRelease) -> None:
    """Print one verdict."""
    state.print_result(verified.to_json(), verdict_rows(verified, verbose=state.verbose))


def show_outcomes(state: State, outcomes: Sequence[Judgement]) -> None:
    """Print every verdict in the order asked for, then raise the refusal that weighs most.

    "Not verified" (8) weighs more than any other failure, which weighs more than success.
    """
    refusals = [outcome.refusal for outcome in outcomes if outcome.refusal is not None]
    if len(outcomes) == 1 and refusals:
        raise refusals[0]
    if len(outcomes) == 1:
        state.print_result(outcomes[0].to_json(), outcome_rows(outcomes[0], state))
        return
    documents = [outcome.to_json() for outcome in outcomes] if state.json else []
    rows = many_rows(outcomes, state) if state.shows_rows else []
    failed = max(refusals, key=lambda refusal: isinstance(refusal, NotVerified), default=None)
    state.print_result({"schema": VERDICTS_SCHEMA, "verdicts": documents}, rows)
    if failed is not None:
        text = f"{len(refusals)} of {len(outcomes)} models are not verified; first: "
        raise kind_of(failed)(text + failed.message, hint=failed.hint)


def kind_of(error: ReleaseToolError) -> type[ReleaseToolError]:
    """Return the class of the error tree that an error is of, past the stages' own kinds of it."""
    kinds = (kind for kind in type(error).__mro__ if kind.__module__ == ReleaseToolError.__module__)
    return next(kinds)


def many_rows(outcomes: Sequence[Judgement], state: State) -> list[Row]:
    """Describe several verdicts, with a blank row in between."""
    rows = [row for outcome in outcomes for row in (*outcome_rows(outcome, state), BLANK)]
    return rows[:-1]


def outcome_rows(outcome: Judgement, state: State) -> list[Row]:
    """Describe one verdict, or the refusal to give one."""
    if outcome.verified is None:
        return [("REFUSED", outcome.model), ("reason", str(outcome.refusal))]
    rows = verdict_rows(outcome.verified, verbose=state.verbose)
    if outcome.attested is not None:
        rows.append(("GitHub", outcome.attested))
    if outcome.lineage is not None:
        proof = f"{outcome.lineage.in_place} of {outcome.lineage.tensors} tensors in place"
        rows.append(("lineage", proof))
    if outcome.reproduced_by is not None:
        made = ", ".join(f"{name} {version}" for name, version in outcome.reproduced_by.items())
        rows.append(("rebuilt", f"reproduced bit for bit with {made}"))
    rows += [
        ("reproduced by", f"{one.identity}, {one.signed_at:%Y-%m-%d}")
        for one in outcome.reproductions
    ]
    return rows


def log_row(verified: VerifiedRelease) -> str:
    """Say where in which log the signature stands, or why in none."""
    if verified.log_index is None:
        return "none: the trusted root names no log, and time stamps in its place"
    return f"entry {verified.log_index} of {verified.log_url}"


def verdict_rows(verified: VerifiedRelease, *, verbose: bool) -> list[Row]:
    """Say what was verified, signed by whom, from what, when, and where in the log."""
    signer, made = verified.signer, verified.provenance
    rows = [
        ("verified", verified.model.name),
        ("digest", str(verified.model.digest)),
        ("signed by", signer.identity),
        ("issuer", signer.issuer),
    ]
    if signer.repo:
        rows.append(("source", f"{signer.repo} at {signer.commit or 'an unstated commit'}"))
    if signer.run_url:
        rows.append(("run", signer.run_url))
    if made is not None and made.builder and not made.builder_certified:
        rows.append(("built by", f"{made.builder} (unchecked: the statement alone says so)"))
    if made is not None and made.recipe:
        rows.append(("recipe", made.recipe))
    if made is not None and made.upstream_commit:
        rows.append(("upstream", f"{made.upstream_repo} at {made.upstream_commit}"))
    found = verified.evaluation
    rows.append(("evaluated", f"{found.result}, by {found.identity}" if found else "not"))
    if verified.unpinned:
        rows.append(("unpinned", f"{', '.join(verified.unpinned)}: not what the recipe pins"))
    if verified.signature_only:
        rows.append(("evidence", SIGNATURE_ONLY))
    rows += [
        ("signed at", verified.signed_at.strftime("%Y-%m-%d %H:%M:%S UTC")),
        ("log", log_row(verified)),
        ("covers", ", ".join(artifact.role for artifact in verified.artifacts)),
    ]
    if verified.not_covered:
        rows.append(("not covered", ", ".join(verified.not_covered)))
    if verbose:
        rows += [(f"step {step.number}", f"{step.name}: {step.outcome}") for step in verified.steps]
    return rows
