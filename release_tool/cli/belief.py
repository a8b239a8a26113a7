"""What a verdict believes, each part with who chose it: the one place that decides this.

Ranks, the first that says anything wins:

1. what was given by hand on the command line;
2. the configuration that was named by hand, with `--config` or in `RELEASE_TOOL_CONFIG`;
3. the installed package: its built-in recipes, its defaults, its trusted roots.

Nothing else decides. What lies in the working directory, beside the model, in the release, in a
checkout or in a cache may be evidence and is never belief: `Settings.of_reader` leaves it out.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from release_tool.cli.given import (
    DEFAULT_INSTANCE,
    DestinationOptions,
    SignerOptions,
    TrustOptions,
)
from release_tool.cli.settings import BUILT_IN, DEFAULT_API, Settings
from release_tool.core.errors import InputError, UsageError
from release_tool.core.names import CommitId, Destination, Latest, RepoSlug, Tag
from release_tool.recipes.recipe import Publisher, Recipe
from release_tool.sigstore.trust.signer import (
    DEFAULT_REF,
    DEFAULT_WORKFLOW,
    GITHUB_ISSUER,
    ExpectedSigner,
)
from release_tool.verify.demands import Demands


@dataclass(frozen=True, slots=True)
class Choice:
    """One part of what is believed: its value, and who chose it."""

    part: str
    value: str
    by: str


@dataclass(frozen=True, slots=True)
class Belief:
    """Whom a verdict expects, and every choice that led there.

    `by_recipe` tells that nobody named the signer: the recipe decides whom to believe, and then
    also what.
    """

    signer: ExpectedSigner
    choices: tuple[Choice, ...]
    by_recipe: bool = False

    def recipe(self, settings: Settings) -> Recipe | None:
        """Return the recipe that decides what was signed; None where the release's own tells.

        That is the one that was named, or the one that decided whom to believe.
        """
        return settings.recipe if self.by_recipe or settings.recipe_named else None

    def demands(self, settings: Settings, required: Collection[str] = ()) -> Demands:
        """Compose what a verdict demands beyond the signature, `required` by hand or anyway."""
        return Demands(
            self.recipe(settings),
            provenance="provenance" in required,
            evaluation="evaluation" in required,
        )

    def notes(self, *more: Choice) -> list[str]:
        """Say whom is expected and, grouped by who chose it, each part of that."""
        choices = sorted((*self.choices, *more), key=lambda choice: choice.by == BUILT_IN)
        lines = [f"expecting {self.signer}"]
        for by, group in groupby(choices, key=lambda choice: choice.by):
            lines.append(f"  {by}: " + ", ".join(f"{item.part} {item.value}" for item in group))
        return lines


def resolve_belief(options: SignerOptions, settings: Settings) -> Belief:
    """Compose whom to expect: by hand, else the named configuration's, else the recipe's."""
    if options.cert_identity is not None or options.cert_oidc_issuer is not None:
        belief = exact_identity(options)
    else:
        belief = workflow_identity(options, settings)
    commit = parse_commit(options.commit) if options.commit else None
    signer = replace(
        belief.signer,
        owner_id=options.owner_id or belief.signer.owner_id,
        repo_id=options.repo_id or belief.signer.repo_id,
        commit=commit,
        trigger=options.trigger,
        runner=options.runner,
    )
    held = settings.recipe.name if belief.recipe(settings) else "the release's own"
    recipe = Choice("recipe", held, settings.recipe_source)
    further = [
        Choice(name.replace("_", " "), value, f"--{name.replace('_', '-')}")
        for name in ("owner_id", "repo_id", "commit", "trigger", "runner")
        if (value := getattr(options, name)) is not None
    ]
    return replace(belief, signer=signer, choices=(*belief.choices, *further, recipe))


def exact_identity(options: SignerOptions) -> Belief:
    """Believe exactly the identity and the issuer that were given by hand."""
    if options.repo or options.workflow or options.ref:
        raise UsageError("--cert-identity and --repo, --workflow or --ref exclude each other")
    signer = ExpectedSigner.exact(options.cert_identity or "", options.cert_oidc_issuer or "")
    return Belief(
        signer,
        (
            Choice("identity", signer.identity, "--cert-identity"),
            Choice("issuer", signer.issuer, "--cert-oidc-issuer"),
        ),
    )


def workflow_identity(options: SignerOptions, settings: Settings) -> Belief:
    """Believe a workflow: each of its parts by hand, else as is known of its repository."""
    by_hand = options.repo is not None
    known, source = (
        known_publisher(settings)
        if options.repo is None
        else known_of(RepoSlug.parse(options.repo), settings)
    )
    workflow = options.workflow or known.workflow
    refs = (options.ref,) if options.ref else known.refs
    choices = [
        Choice("repository", str(known.repo), "--repo" if by_hand else source),
        Choice("workflow", workflow, "--workflow" if options.workflow else source),
        Choice("ref", " or ".join(refs), "--ref" if options.ref else source),
        Choice("issuer", known.issuer, source),
    ]
    choices += [
        Choice(part, number, source)
        for part, number, other in (
            ("owner id", known.owner_id, options.owner_id),
            ("repo id", known.repo_id, options.repo_id),
        )
        if number is not None and other is None
    ]
    signer = ExpectedSigner.of_publisher(replace(known, workflow=workflow, refs=refs))
    configured = settings.configuration.publisher is not None
    return Belief(signer, tuple(choices), by_recipe=not by_hand and not configured)


def known_publishers(settings: Settings) -> list[tuple[Publisher, str]]:
    """List the configured publisher and the recipe's, each with who says so."""
    configured = settings.configuration.publisher
    by_recipe = (settings.recipe.publisher, f"the recipe {settings.recipe.name}")
    return ([(configured, settings.configuration.source)] if configured else []) + [by_recipe]


def known_publisher(settings: Settings) -> tuple[Publisher, str]:
    """Return the configured publisher, else the recipe's, and who says so."""
    return known_publishers(settings)[0]


def known_of(repo: RepoSlug, settings: Settings) -> tuple[Publisher, str]:
    """Return what is known of a repository's releases, else the defaults, and who says so."""
    for known, source in known_publishers(settings):
        if known.repo == repo:
            return known, source
    return Publisher(repo, DEFAULT_WORKFLOW, (DEFAULT_REF,), GITHUB_ISSUER), BUILT_IN


def choose_root(options: TrustOptions, settings: Settings) -> Choice:
    """Say which trusted root is believed, and who chose it."""
    configured = settings.configuration.sigstore if settings.configuration.named else None
    if options.trusted_root is not None:
        return Choice("root", str(options.trusted_root), "--trusted-root")
    if options.sigstore is not None:
        return Choice("root", options.sigstore, "--sigstore")
    if configured is not None:
        return Choice("root", configured, settings.configuration.source)
    return Choice("root", DEFAULT_INSTANCE, BUILT_IN)


def root_source(options: TrustOptions, settings: Settings) -> str | Path:
    """Return the trusted root's file, or the name or file of the instance."""
    return options.trusted_root or choose_root(options, settings).value


def choose_api(given: str | None, settings: Settings) -> Choice:
    """Say which REST API is asked: by hand, else configured, else github.com's."""
    configured = settings.configuration.github_api
    if given is not None:
        return Choice("API", given.rstrip("/"), "--github-api")
    if configured is not None:
        return Choice("API", configured.rstrip("/"), settings.configuration.source)
    return Choice("API", DEFAULT_API, BUILT_IN)


def resolve_api(given: str | None, settings: Settings) -> str:
    """Return the REST API's base URL."""
    return choose_api(given, settings).value


def resolve_own_belief(options: SignerOptions, settings: Settings) -> Belief:
    """Compose whom an upload expects: there `--repo` is the target, also with an exact identity."""
    if options.cert_identity is None:
        return resolve_belief(options, settings)
    belief = resolve_belief(replace(options, repo=None), settings)
    signer = belief.signer
    if signer.issuer == GITHUB_ISSUER and options.repo is not None:
        # What is published to a repository was released by a workflow that ran for it.
        belief = replace(belief, signer=replace(signer, repo=RepoSlug.parse(options.repo)))
    return belief


def parse_commit(text: str) -> CommitId:
    """Read a commit id that was given as an option."""
    try:
        return CommitId.parse(text)
    except InputError as error:
        raise UsageError(str(error), hint="give all 40 digits") from error


def resolve_destination(
    options: DestinationOptions,
    repo: str | None,
    settings: Settings,
    latest: Latest | None = None,
) -> Destination:
    """Parse the repository and the tag: by hand, else the configured and the recipe's."""
    publisher = settings.configuration.publisher
    if repo is not None:
        slug = RepoSlug.parse(repo)
    elif publisher is not None:
        slug = publisher.repo
    else:
        raise UsageError("no repository was named", hint="give --repo OWNER/NAME")
    return Destination(slug, Tag.parse(options.tag or settings.recipe.tag), options.target, latest)
