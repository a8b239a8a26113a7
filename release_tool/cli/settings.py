"""What the options that several commands share mean: by hand, else configured, else the recipe's.

Resolves what `options` declares; prints and asks nothing.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from release_tool.cli.configuration import Configuration, open_configuration
from release_tool.core.errors import InputError, UsageError
from release_tool.core.names import CommitId, Destination, Latest, RepoSlug, Tag
from release_tool.recipes.catalog import open_recipe
from release_tool.recipes.recipe import Publisher, Recipe
from release_tool.sigstore.trust.signer import (
    DEFAULT_REF,
    DEFAULT_WORKFLOW,
    GITHUB_ISSUER,
    ExpectedSigner,
)

if TYPE_CHECKING:
    from release_tool.cli.options import DestinationOptions, SignerOptions

DEFAULT_RECIPE = "u2netp"
DEFAULT_API = "https://api.github.com"


@dataclass(frozen=True, slots=True)
class Settings:
    """The recipe that was chosen, and the project's configuration."""

    recipe: Recipe
    configuration: Configuration

    @classmethod
    def of(cls, recipe: str | None, config: Path | None) -> Self:
        """Read the configuration and the recipe: by hand, else configured, else u2netp."""
        configuration = open_configuration(config)
        return cls(open_recipe(recipe or configuration.recipe or DEFAULT_RECIPE), configuration)


def resolve_signer(options: "SignerOptions", settings: Settings) -> ExpectedSigner:
    """Compose whom to expect: exact options, else `--repo`, else configured, else the recipe's."""
    if options.cert_identity is not None or options.cert_oidc_issuer is not None:
        if options.repo or options.workflow or options.ref:
            raise UsageError("--cert-identity and --repo, --workflow or --ref exclude each other")
        signer = ExpectedSigner.exact(options.cert_identity or "", options.cert_oidc_issuer or "")
    else:
        signer = resolve_workflow(options, settings)
    return replace(
        signer,
        repo_id=options.repo_id,
        commit=parse_commit(options.commit) if options.commit else None,
        trigger=options.trigger,
        runner=options.runner,
    )


def parse_commit(text: str) -> CommitId:
    """Read a commit id that was given as an option."""
    try:
        return CommitId.parse(text)
    except InputError as error:
        raise UsageError(str(error), hint="give all 40 digits") from error


def resolve_workflow(options: "SignerOptions", settings: Settings) -> ExpectedSigner:
    """Compose a workflow's identity from the options, filled up from what is known of its repo."""
    publisher = settings.configuration.publisher or settings.recipe.publisher
    if options.repo is not None and RepoSlug.parse(options.repo) != publisher.repo:
        publisher = Publisher(
            RepoSlug.parse(options.repo), DEFAULT_WORKFLOW, DEFAULT_REF, GITHUB_ISSUER
        )
    return ExpectedSigner.of_workflow(
        publisher.repo,
        options.workflow or publisher.workflow,
        options.ref or publisher.ref,
        publisher.issuer,
    )


def resolve_own_signer(options: "SignerOptions", settings: Settings) -> ExpectedSigner:
    """Compose whom an upload expects: there `--repo` is the target, also with an exact identity."""
    if options.cert_identity is None:
        return resolve_signer(options, settings)
    signer = resolve_signer(replace(options, repo=None), settings)
    if signer.issuer == GITHUB_ISSUER and options.repo is not None:
        # What is published to a repository was released by a workflow that ran for it.
        signer = replace(signer, repo=RepoSlug.parse(options.repo))
    return signer


def resolve_api(given: str | None, settings: Settings, *, consumer: bool = False) -> str:
    """Return the REST API's base URL: by hand, else configured, else github.com's.

    A consumer's token is not sent to an address that merely lies in the working directory.
    """
    configuration = settings.configuration
    configured = configuration.github_api if configuration.named or not consumer else None
    return (given or configured or DEFAULT_API).rstrip("/")


def policy_source(options: "SignerOptions", settings: Settings) -> str:
    """Say who chose the signer that is expected."""
    if options.repo is not None or options.cert_identity is not None:
        return "the options given"
    if settings.configuration.publisher is not None:
        return settings.configuration.source
    return f"the recipe {settings.recipe.name}"


def resolve_destination(
    options: "DestinationOptions",
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
