"""`release-tool doctor`: everything that a publication will need, as a checklist."""

import os
import sys

import click

from release_tool.cli.options import (
    DestinationOptions,
    Settings,
    resolve_api,
    text,
    with_github,
    with_identity,
    with_output,
    with_settings,
    with_sigstore,
)
from release_tool.cli.state import Row, State
from release_tool.cli.tokens import find_publish_token
from release_tool.core.errors import ReleaseToolError
from release_tool.publish.github import open_github
from release_tool.publish.preflight import Finding, Verdict, check_publishable
from release_tool.signing.token import NoIdentity, open_identity
from release_tool.trust.instance import open_instance

MARKS = {Verdict.OK: "ok", Verdict.UNKNOWN: "unknown", Verdict.FAILED: "FAILED"}


@click.command("doctor")
@text("--repo", "OWNER/NAME", "The repository that will be published to.")
@text("--tag", "TAG", "The release's tag; the recipe's by default.")
@with_sigstore
@with_identity
@with_github
@with_settings
@with_output
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    repo: str | None,
    tag: str | None,
    sigstore: str | None,
    identity_token: str | None,
    github_api: str | None,
) -> None:
    """Check what a publication will need, without changing anything.

    \b
    Example:
      release-tool doctor --repo VMAFx/vmafx --tag u2netp-mirror-v1
    """
    to = DestinationOptions(tag, None, keep_draft=False).resolve(repo, settings)
    source = sigstore or settings.configuration.sigstore or "production"
    findings = [check_identity(source, identity_token)]
    with open_github(resolve_api(github_api, settings), find_publish_token(os.environ)) as github:
        findings += check_publishable(github, to.repo, to.tag)
    rows: list[Row] = [(f.name, f"{MARKS[f.verdict]:<8} {f.text}") for f in findings]
    checks = [{"name": f.name, "verdict": f.verdict.value, "text": f.text} for f in findings]
    state.print_result({"release": str(to), "checks": checks}, rows)
    failed = [finding.error for finding in findings if finding.error is not None]
    if failed:
        raise failed[0]


def check_identity(source: str, given: str | None) -> Finding:
    """Look for a signing identity, without asking anybody in a browser for it."""
    try:
        identity = open_identity(open_instance(source), given, interactive=False)
    except NoIdentity as error:
        if sys.stdin.isatty():
            text = "none yet; publish will ask you to sign in with a browser"
            return Finding("signing identity", Verdict.UNKNOWN, text)
        return Finding("signing identity", Verdict.FAILED, error.message, error)
    except ReleaseToolError as error:
        return Finding("signing identity", Verdict.FAILED, error.message, error)
    return Finding("signing identity", Verdict.OK, f"{identity.subject} by {identity.issuer}")
