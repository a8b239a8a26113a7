"""`release-tool doctor`: everything that a publication will need, as a checklist."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

import click

from release_tool.chain.readiness import check_release
from release_tool.cli.belief import (
    known_publisher,
    resolve_api,
    resolve_destination,
    resolve_own_belief,
    root_source,
)
from release_tool.cli.given import DestinationOptions, SignerOptions, SigningOptions, TrustOptions
from release_tool.cli.options import (
    DIRECTORY,
    with_destination,
    with_identity,
    with_judging,
    with_output,
    with_public_log,
    with_settings,
)
from release_tool.cli.settings import Settings
from release_tool.cli.signing import check_believed, check_disclosure, check_workflow_disclosure
from release_tool.cli.state import Row, State
from release_tool.cli.tokens import find_publish_token
from release_tool.core.errors import PublishError, SigningError, TryAgain
from release_tool.github.client import open_github
from release_tool.github.finding import Finding, Found, Verdict, find, unknown
from release_tool.net.token import Token
from release_tool.provenance.statement import Builder
from release_tool.sigstore.sign.token import Identity, NoIdentity, check_builder, open_identity
from release_tool.sigstore.trust.instance import TrustedRoot, open_instance, open_trusted_root
from release_tool.sigstore.trust.signer import ExpectedSigner

MARKS = {Verdict.OK: "ok", Verdict.UNKNOWN: "unknown", Verdict.FAILED: "FAILED"}


@click.command("doctor")
@click.argument("directory", type=DIRECTORY, required=False)
@with_destination
@with_identity
@with_public_log
@with_judging
@with_settings
@with_output
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    directory: Path | None,
    destination: DestinationOptions,
    identity_token: str | None,
    public_log: bool,
    signer: SignerOptions,
    trust: TrustOptions,
    github_api: str | None,
) -> None:
    """Check what a publication will need, without changing anything.

    Goes through the checks that `publish` and `upload` begin with, and says of each: ok, unknown
    or FAILED, and what to do. DIRECTORY holds the release's files; dist/ is looked at if it is
    there. --repo is where they go, and whose workflow signs them unless you say who does. The token
    comes from GH_TOKEN or GITHUB_TOKEN.

    \b
    Examples:
      release-tool doctor --repo VMAFx/vmafx --tag u2netp-mirror-v1
      release-tool doctor dist --repo VMAFx/vmafx --target main
    """
    to = resolve_destination(destination, signer.repo, settings)
    expected = resolve_own_belief(signer, settings).signer
    judging = settings.as_reader()
    found: list[Identity] = []
    signing = SigningOptions(trust.sigstore, identity_token, public_log=public_log)
    if directory is None and Path("dist").is_dir():
        directory = Path("dist")

    def believed() -> tuple[ExpectedSigner, ExpectedSigner, TrustedRoot]:
        root = open_trusted_root(root_source(trust, judging), offline=trust.offline, progress=state)
        for line in judging.notes():
            state.note(line)
        named = resolve_own_belief(signer, judging).signer
        own = found[0].signer if found and not names_signer(signer) else named
        return own, expected, root

    source = signing.source(settings.configuration)
    findings = [find("signing identity", lambda: describe_identity(source, signing, found))]
    findings += [find("publisher", lambda: describe_publisher(found, settings))]
    token, bad_token = look_for_token(os.environ)
    with open_github(resolve_api(github_api, settings), token) as github:
        findings += check_release(
            github, to, settings.recipe, directory, judging.recipe, believed, bad_token
        )

        def disclose() -> str:
            for identity in found:
                check_workflow_disclosure(identity, signing, settings)
            return check_disclosure(github, to.repo, signing, settings)

        findings += [find("public log", lambda: describe_log(disclose, bad_token))]
    show_findings(state, str(to), findings)


def look_for_token(environment: Mapping[str, str]) -> tuple[Token | None, PublishError | None]:
    """Return the token, if there is one, or what is wrong with it."""
    try:
        return find_publish_token(environment), None
    except PublishError as error:
        return None, error


def names_signer(options: SignerOptions) -> bool:
    """Tell whether somebody said who signs, and not only where the release goes."""
    return any(getattr(options, field.name) for field in fields(options) if field.name != "repo")


def describe_identity(source: str, signing: SigningOptions, found: list[Identity]) -> Found | str:
    """Look for a signing identity, without asking anybody in a browser; leaves it in `found`."""
    try:
        identity = open_identity(open_instance(source), signing.identity_token, interactive=False)
    except NoIdentity:
        if sys.stdin.isatty():
            return unknown("none yet; publish will ask you to sign in with a browser")
        raise
    check_builder(identity, Builder.from_environment(os.environ).id)
    found.append(identity)
    return f"{identity.subject} by {identity.issuer}"


def describe_publisher(found: list[Identity], settings: Settings) -> Found | str:
    """Say whether who uses the recipe will believe the identity without being told."""
    if not found:
        return unknown("not checked: there is no identity")
    try:
        check_believed(found[0], settings)
    except SigningError as error:
        return unknown(error.message.removeprefix("nothing was signed: "), error.hint)
    return f"the one whom {known_publisher(settings)[1]} believes"


def describe_log(disclose: Callable[[], str], bad_token: PublishError | None) -> Found | str:
    """Say whether a public log would tell of a private repository, as far as GitHub tells."""
    try:
        return disclose() if bad_token is None else unknown("not asked without a token")
    except (PublishError, TryAgain) as error:
        return unknown(f"not known whether the repository is private: {error.message}", error.hint)


def show_findings(state: State, release: str, findings: list[Finding]) -> None:
    """Print the checklist, each line with what to do about it, then raise what failed first.

    What no repetition mends comes before what one may.
    """
    rows: list[Row] = []
    for finding in findings:
        rows.append((finding.name, f"{MARKS[finding.verdict]:<8} {finding.text}"))
        if finding.hint and finding.verdict is not Verdict.OK:
            rows.append(("", f"{'':<8} → {finding.hint}"))
    checks = [
        {"name": item.name, "verdict": item.verdict.value, "text": item.text, "hint": item.hint}
        for item in findings
    ]
    state.print_result({"release": release, "checks": checks}, rows)
    failed = [finding.error for finding in findings if finding.error is not None]
    if failed:
        raise min(failed, key=lambda error: isinstance(error, TryAgain))
