"""The options that several commands share, each group arriving as one value.

Declares them; what they mean is for `settings`.
"""

import functools
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from release_tool.cli.given import (
    DestinationOptions,
    SignerOptions,
    SigningOptions,
    SourceOptions,
    TrustOptions,
)
from release_tool.cli.settings import DEFAULT_API, Settings
from release_tool.cli.state import State
from release_tool.core.names import Latest
from release_tool.sigstore.trust.signer import DEFAULT_REF, DEFAULT_WORKFLOW

Function = Callable[..., None]
DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(s|m|h|)", re.ASCII)
UNITS = {"s": 1, "": 1, "m": 60, "h": 3600}


class GivenPath(click.Path):
    """A path; an empty one is a variable that was not set, never the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty path."""
        if value == "":
            self.fail("is empty", param, ctx)
        return super().convert(value, param, ctx)


class GivenText(click.ParamType[str]):
    """Text; an empty one is a variable that was not set, and must not pass for no option."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse empty text."""
        if value == "":
            self.fail("is empty", param, ctx)
        return value


class Duration(click.ParamType[float]):
    """A time, such as 20s, 10m or 1h; a bare number is of seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it as seconds."""
        found = DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"{str(value)[:40]!r} is no time; write it like 20s, 10m or 1h", param, ctx)
        return float(found[1]) * UNITS[found[2]]


TEXT = GivenText()
DIRECTORY = GivenPath(file_okay=False, path_type=Path)
FILE = GivenPath(path_type=Path)


def grouped(
    kind: type[Any], name: str, *options: Callable[[Function], Function]
) -> Callable[[Function], Function]:
    """Declare options and hand their values on as one `kind` called `name`."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def gather(**values: Any) -> None:
            declared = [field.name for field in fields(kind) if field.name in values]
            group = kind(**{each: values.pop(each) for each in declared})
            function(**values, **{name: group})

        decorated: Function = gather
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


def set_state(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Keep a flag about output where every printing function finds it."""
    state = ctx.ensure_object(State)
    if value and param.name:
        setattr(state, param.name, True)


def flag(name: str, text: str) -> Callable[[Function], Function]:
    """Declare a flag about output."""
    return click.option(
        name, is_flag=True, is_eager=True, expose_value=False, callback=set_state, help=text
    )


def text(name: str, metavar: str, what: str) -> Callable[[Function], Function]:
    """Declare an option that takes text."""
    return click.option(name, type=TEXT, metavar=metavar, help=what)


output_options = [
    flag("--json", "Print one JSON document on stdout."),
    flag("--verbose", "Say more on stderr."),
]


def with_output(function: Function) -> Function:
    """Add `--json` and `--verbose`."""
    for option in reversed(output_options):
        function = option(function)
    return function


with_quiet = flag("--quiet", "Print nothing but errors; the exit code tells.")


def add_settings(function: Function, choose: Callable[..., Settings], config_help: str) -> Function:
    """Add `--recipe` and `--config`; the command receives `settings`, chosen in one of two ways."""

    @text("--recipe", "NAME|FILE", "What is pinned: u2netp, u2netp-320, u2net, or a .toml file.")
    @click.option("--config", type=FILE, envvar="RELEASE_TOOL_CONFIG", help=config_help)
    @functools.wraps(function)
    def gather(recipe: str | None, config: Path | None, **values: Any) -> None:
        settings = choose(recipe, config)
        for line in settings.notes():
            click.get_current_context().ensure_object(State).note(line)
        function(settings=settings, **values)

    return gather


def with_settings(function: Function) -> Function:
    """Add `--recipe` and `--config` for a maintainer, whose own directory counts."""
    return add_settings(
        function,
        Settings.of,
        "Defaults; release-tool.toml here if there is one. [env: RELEASE_TOOL_CONFIG]",
    )


def with_reader_settings(function: Function) -> Function:
    """Add `--recipe` and `--config` for whoever judges a release, wherever that happens."""
    return add_settings(
        function,
        Settings.of_reader,
        "Defaults; a file that is not named counts for nothing. [env: RELEASE_TOOL_CONFIG]",
    )


with_signer = grouped(
    SignerOptions,
    "signer",
    text("--repo", "OWNER/NAME", "The repository whose workflow signed."),
    text("--workflow", "FILE", f"The workflow; {DEFAULT_WORKFLOW} by default."),
    text("--ref", "REF", f"The ref it ran from, like {DEFAULT_REF}, the default."),
    text("--cert-identity", "SAN", "The certificate's exact identity."),
    text("--cert-oidc-issuer", "URL", "The exact issuer that vouched for it."),
    text("--owner-id", "ID", "The numeric id of the source repository's owner."),
    text("--repo-id", "ID", "The source repository's numeric id."),
    text("--commit", "SHA", "The source commit of the signing workflow."),
    text("--trigger", "EVENT", "What triggered it, like workflow_dispatch."),
    text("--runner", "KIND", "Its runner: github-hosted or self-hosted."),
)

with_sigstore = text("--sigstore", "NAME|FILE", "production (default), staging or a trust config.")
with_identity = click.option(
    "--identity-token",
    envvar="SIGSTORE_ID_TOKEN",
    type=TEXT,
    metavar="TOKEN",
    help="OIDC token; GitHub Actions' own by default, or a browser. [env: SIGSTORE_ID_TOKEN]",
)
with_github = text("--github-api", "URL", f"GitHub's REST API; {DEFAULT_API} by default.")
with_latest = click.option(
    "--latest",
    type=click.Choice(["yes", "no", "legacy"]),
    callback=lambda _context, _option, value: Latest[value.upper()] if value else None,
    help="Make it the repository's latest release, or leave that to dates and versions (legacy); "
    "by default yes only where the repository releases nothing else.",
)
with_keep_draft = click.option("--keep-draft", is_flag=True, help="Stop before publishing.")
with_out = click.option(
    "--out", type=DIRECTORY, default="dist", show_default=True, help="Where the files go."
)
with_unpinned_checkpoint = click.option(
    "--unpinned-checkpoint", is_flag=True, help="Take another checkpoint than the pinned one."
)
with_accept_license = text(
    "--accept-license",
    "SPDX",
    "Take the licence that the recipe names though its text is not recognised: read it first.",
)
with_no_replay = click.option(
    "--no-replay",
    is_flag=True,
    help="Do not make upstream's published results again; the manifest says so.",
)
with_unpinned = click.option(
    "--unpinned",
    is_flag=True,
    help="Take what the recipe does not pin; every verdict will say so, and most refuse it.",
)
with_public_log = click.option(
    "--public-log",
    is_flag=True,
    help="Sign for a private repository too, whose name the log then shows to everybody for ever.",
)
with_patience = click.option(
    "--patience",
    type=Duration(),
    default="10m",
    show_default=True,
    metavar="TIME",
    help="How long to wait in all for Sigstore's services while they are away.",
)
with_signing = grouped(
    SigningOptions,
    "signing",
    with_sigstore,
    with_identity,
    click.option(
        "--other-publisher",
        is_flag=True,
        help="Sign as somebody whom the recipe does not believe: in a rehearsal, or for consumers "
        "who are told to name another publisher.",
    ),
    with_public_log,
    with_patience,
)
with_own_identity = grouped(
    SigningOptions, "signing", with_sigstore, with_identity, with_public_log, with_patience
)

with_trust = grouped(
    TrustOptions,
    "trust",
    with_sigstore,
    click.option("--trusted-root", type=FILE, help="Believe this trusted root and no other."),
    click.option("--offline", is_flag=True, help="Use the installed trusted root; no network."),
)

with_cache = click.option(
    "--cache",
    type=DIRECTORY,
    envvar="RELEASE_TOOL_CACHE",
    help="Where fetched sources are kept. [env: RELEASE_TOOL_CACHE]",
)
with_offline = click.option(
    "--offline", is_flag=True, help="Use given or cached sources; no network."
)
with_upstream = click.option(
    "--upstream-dir", type=DIRECTORY, help="A checkout; the pinned one is fetched without it."
)
given_sources = (
    with_upstream,
    click.option(
        "--checkpoint", type=FILE, help="Its weights; the pinned ones are fetched without it."
    ),
    with_cache,
)
with_sources = grouped(SourceOptions, "sources", *given_sources, with_offline)
with_sources_online = grouped(SourceOptions, "sources", *given_sources)

with_destination = grouped(
    DestinationOptions,
    "destination",
    text("--tag", "TAG", "The release's tag; the recipe's by default."),
    text("--target", "COMMIT", "What the tag names; the default branch."),
)


def with_judging(function: Function) -> Function:
    """Add what every command takes that judges a release: signer, trust and GitHub."""
    for option in (with_github, with_trust, with_signer):
        function = option(function)
    return function


def with_verifying(function: Function) -> Function:
    """Add everything that a consumer's command takes."""
    return with_judging(with_reader_settings(with_output(function)))
