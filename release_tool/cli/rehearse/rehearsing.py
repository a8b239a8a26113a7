"""Puts the chain and the stand-ins together; only the command line may know both."""

import os
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from release_tool.chain.publish import Plan, Services, publish
from release_tool.chain.upload import Publication
from release_tool.cli.evaluation.rehearsed import open_evaluator
from release_tool.cli.judge.verdicts import verdict_rows
from release_tool.cli.reading import open_read_api
from release_tool.cli.rehearse.serving import Served, wait_for_interruption, write_served
from release_tool.cli.render import file_documents, file_rows
from release_tool.cli.state import BLANK, Row, State
from release_tool.core.documents import JsonObject
from release_tool.core.errors import UsageError
from release_tool.core.files import read_limited, temporary_directory, writable, write_whole
from release_tool.core.limits import TEXT_LIMIT_BYTES
from release_tool.core.names import Destination, Tag
from release_tool.core.refs import VERSION
from release_tool.github.client import open_github
from release_tool.provenance.manifest import Manifest
from release_tool.provenance.pins import unpinned_claims
from release_tool.provenance.statement import Builder
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe
from release_tool.rehearsal.github.faults import Fault
from release_tool.rehearsal.github.standin import GitHubStandIn, start_github
from release_tool.rehearsal.outages import Outage
from release_tool.rehearsal.sigstore.claims import ISSUER, Claims
from release_tool.rehearsal.stack import SigstoreStack, start_sigstore
from release_tool.rehearsal.upstream import PUBLISHER, make_upstream
from release_tool.sigstore.sign.services import make_patience
from release_tool.sigstore.sign.token import open_identity
from release_tool.sigstore.trust.instance import SigstoreInstance
from release_tool.upstream.sources import Source
from release_tool.verify.release import VerifiedRelease

Outages = tuple[tuple[str, ...], Outage]
"""The services that fail, and how."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What is rehearsed: a real checkout and checkpoint, or the stand-in upstream.

    A recipe of its own is released by its own publisher.
    """

    recipe: Recipe
    out: Path
    source: Source | None
    rekor: Literal["v1", "v2"]
    faults: tuple[Fault, ...] = ()
    replay: bool = True
    serve: bool = False
    outages: tuple[Outages, ...] = ()

    def fail(self, sigstore: SigstoreStack, github: GitHubStandIn) -> None:
        """Let the services fail that are to."""
        for services, outage in self.outages:
            for service in services:
                if service == "github":
                    github.fail(outage)
                else:
                    sigstore.fail(service, outage)

    @property
    def claims(self) -> Claims:
        """What the workflow that releases says of itself: the publisher's, or the stand-in's.

        Raises `UsageError` for a publisher that is no workflow of GitHub Actions.
        """
        publisher = PUBLISHER if self.source is None else self.recipe.publisher
        if publisher.issuer != ISSUER:
            raise UsageError(
                f"the recipe's publisher is vouched for by {publisher.issuer}, and a rehearsal "
                f"signs as a workflow of GitHub Actions does ({ISSUER})"
            )
        return Claims(
            publisher.repo,
            publisher.workflow,
            publisher.refs[0].replace(VERSION, "1.0.0"),
            owner_id=publisher.owner_id or "",
            repo_id=publisher.repo_id or "",
        )


def rehearse(rehearsal: Rehearsal, state: State) -> None:
    """Release against the stand-ins, and print what was released and how to verify.

    Then they stop; or they stay up until ctrl-C, and only then fail as they are told to.
    """
    start = time.monotonic()
    with ExitStack() as running:
        with state.stage("stand-ins"):
            claims = rehearsal.claims
            sigstore = running.enter_context(start_sigstore(rekor=rehearsal.rekor, claims=claims))
            github = running.enter_context(
                start_github(repo=str(claims.repo), faults=rehearsal.faults)
            )
            source, recipe = running.enter_context(open_source_of(rehearsal))
        write_trust(rehearsal.out, recipe, sigstore)
        if not rehearsal.serve:
            rehearsal.fail(sigstore, github)
        verified = release(rehearsal, source, recipe, sigstore, github, state)
        state.note(f"rehearsed in {time.monotonic() - start:.1f} s; nothing left this machine")
        if rehearsal.serve:
            rehearsal.fail(sigstore, github)
            place = (rehearsal.out / "rehearsal").resolve()
            served = Served(place, github.api, claims.repo, claims.workflow, claims.ref)
            variables = {"GH_TOKEN": github.token, **sigstore.actions_environment()}
            told = write_served(served, recipe, source, variables)
            show(rehearsal, recipe, verified, state, told)
            wait_for_interruption(state)
    if not rehearsal.serve:
        show(rehearsal, recipe, verified, state)


@contextmanager
def open_source_of(rehearsal: Rehearsal) -> Iterator[tuple[Source, Recipe]]:
    """Yield the real source, or make a small upstream that lives as long as the rehearsal."""
    if rehearsal.source is not None:
        yield rehearsal.source, rehearsal.recipe
        return
    with temporary_directory() as place:
        upstream = make_upstream(place)
        yield Source(upstream.checkout, upstream.checkpoint), upstream.recipe


def release(
    rehearsal: Rehearsal,
    source: Source,
    recipe: Recipe,
    sigstore: SigstoreStack,
    github: GitHubStandIn,
    state: State,
) -> VerifiedRelease:
    """Publish as a workflow would, and return the verdict on what came back."""
    instance = SigstoreInstance(sigstore.trust_config, "the rehearsal")
    identity = open_identity(instance, sigstore.make_identity_token(), interactive=False)
    builder = Builder.from_environment(sigstore.actions_environment())
    to = Destination(rehearsal.claims.repo, Tag.parse(recipe.tag))
    real = rehearsal.source.upstream if rehearsal.source and rehearsal.replay else None
    with (
        open_evaluator(real, recipe, state) as evaluate,
        open_github(github.api, github.token, progress=state) as client,
        open_read_api(github.api, None, state) as consumer,
    ):
        target = Publication(client, consumer, to, unpinned=not source.pinned)
        plan = Plan(
            source, recipe, rehearsal.out, reuse=False, replay=rehearsal.replay, evaluate=evaluate
        )
        services = Services(instance, identity, builder, target, make_patience(state))
        _, verified = publish(plan, services, os.environ, progress=state)
    return verified


def write_trust(out: Path, recipe: Recipe, sigstore: SigstoreStack) -> None:
    """Leave behind what a consumer of the rehearsal has to believe, marked by its folder's name.

    Bundles of an earlier rehearsal go first: nothing that is written here would believe them.
    """
    for bundle in layout.signature_names(recipe.names):
        with writable(out):
            (out / bundle).unlink(missing_ok=True)
    write_whole(out / "rehearsal" / "trust_config.json", sigstore.trust_config)
    write_whole(out / "rehearsal" / "trusted_root.json", sigstore.trusted_root)


def show(
    rehearsal: Rehearsal,
    recipe: Recipe,
    verified: VerifiedRelease,
    state: State,
    served: tuple[JsonObject, list[Row]] | None = None,
) -> None:
    """Print the files, the verdict, the command that reaches it again, and what is `served`."""
    files = verified.described
    command = verify_command(rehearsal, recipe)
    document: JsonObject = {
        "files": file_documents(files),
        "verdict": verified.to_json(),
        "verify_command": command,
    }
    rows = file_rows(files)
    rows += [BLANK, *verdict_rows(verified, verbose=state.verbose)]
    manifest = Manifest.parse(
        read_limited(rehearsal.out / recipe.names.manifest, TEXT_LIMIT_BYTES),
        recipe.formats.manifest_schema,
    )
    if not verified.unpinned and unpinned_claims(manifest, rehearsal.recipe):
        text = f"by {rehearsal.recipe.name}: a stand-in, which a verdict by that recipe refuses"
        rows.append(("unpinned", text))
    rows.append(BLANK)
    rows.append(("verify it", shlex.join(command)))
    if served is not None:
        document["serving"], more = served
        rows += more
    state.print_result(document, rows)


def verify_command(rehearsal: Rehearsal, recipe: Recipe) -> list[str]:
    """Return the consumer's command, which needs no recipe and works from any directory."""
    place, claims = rehearsal.out.resolve(), rehearsal.claims
    return [
        "release-tool",
        "verify",
        str(place / recipe.names.model),
        "--repo",
        str(claims.repo),
        "--workflow",
        claims.workflow,
        "--ref",
        claims.ref,
        "--trusted-root",
        str(place / "rehearsal" / "trusted_root.json"),
    ]
