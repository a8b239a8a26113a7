"""Whether a release is ready to go out: its files here, and everything at GitHub, before it goes.

Joins what the stages check by themselves; it neither signs nor uploads.
"""

from collections.abc import Callable
from pathlib import Path

from release_tool.chain.signed import open_signed
from release_tool.core.errors import InputError, NotVerified, PublishError
from release_tool.core.names import Destination
from release_tool.github.client import GitHub
from release_tool.github.finding import Finding, Found, find, unknown
from release_tool.github.plan import ServerState, Wanted
from release_tool.github.preflight import check_publishable, describe_drafts, describe_tag
from release_tool.github.state import fetch_state
from release_tool.provenance.exported import ExportedRelease, open_exported
from release_tool.provenance.pins import require_pinned
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe
from release_tool.sigstore.trust.instance import TrustedRoot
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.evidence import exists
from release_tool.verify.verdict import verify_release

Believed = Callable[[], tuple[ExpectedSigner, ExpectedSigner, TrustedRoot]]
"""Who would sign here, whom `upload` expects, and the root that vouches for either."""
SIGN_AGAIN = "sign it again with `release-tool sign`, or export it again"
SAY_WHO = "`publish` goes on with it; for `upload` give --workflow, --ref or --cert-identity"


def check_directory(
    directory: Path | None, recipe: Recipe, judge: Recipe, believed: Believed
) -> tuple[Finding, Finding]:
    """Check a directory against its manifest and, once it is signed, against its signatures.

    `judge` is the recipe by which the signatures are judged. Whom to believe is asked only where
    there is a signature.
    """
    return (
        find("directory", lambda: describe_exported(directory, recipe)),
        find("signatures", lambda: describe_signed(directory, judge, believed)),
    )


def describe_exported(directory: Path | None, recipe: Recipe) -> Found | str:
    """Say whether the files are the ones that their manifest states, and those are pinned."""
    if directory is None:
        return unknown("not checked: there is no dist/", "name the release's directory")
    require_pinned(open_exported(directory, recipe).manifest, recipe, unpinned=False)
    return f"{directory} holds {recipe.model_id}, as its manifest states"


def describe_signed(directory: Path | None, recipe: Recipe, believed: Believed) -> Found | str:
    """Say whether nothing has changed since it was signed, by whom, and if `upload` takes that."""
    if directory is None:
        return unknown("not checked: there is no dist/")
    if not any(exists(directory / name) for name in layout.signature_names(recipe.names)):
        return unknown("not signed yet", "`release-tool publish` and `release-tool sign` sign it")
    try:
        own, expected, root = believed()
        signed = open_signed(directory, recipe, own, root, unpinned=True)
    except (InputError, NotVerified) as error:
        raise type(error)(error.message, hint=error.hint or SIGN_AGAIN) from error
    told = f"unchanged since it was signed by {signed.verified.signer.identity}"
    try:
        verify_release(signed.evidence, expected, root)
    except NotVerified as error:
        return unknown(f"{told}; `upload` would refuse that: {error.message}", SAY_WHO)
    return told


def find_files(directory: Path | None, recipe: Recipe) -> dict[str, Path] | None:
    """Find the files of a release that are there, by asset name; None where there are none."""
    if directory is None:
        return None
    found = {name: directory / name for name in layout.file_names(recipe.names).values()}
    return {name: path for name, path in found.items() if exists(path)} or None


def check_release(
    github: GitHub,
    to: Destination,
    recipe: Recipe,
    directory: Path | None,
    judge: Recipe,
    believed: Believed,
    bad_token: PublishError | None = None,
) -> tuple[Finding, ...]:
    """Go through everything that a publication of the directory needs, changing nothing."""
    files = find_files(directory, recipe)
    signed = set(layout.signature_names(recipe.names))
    return (
        *check_directory(directory, recipe, judge, believed),
        *check_publishable(
            github,
            to.repo,
            to.tag,
            files,
            manifest_name=recipe.names.manifest,
            target=to.target,
            whole=files is not None and files.keys() >= signed,
            bad_token=bad_token,
        ),
    )


def require_signable(github: GitHub, to: Destination, exported: ExportedRelease) -> ServerState:
    """Fail where the tag, or a draft for it, stands in these files' way, before they are signed.

    Returns what GitHub has for the tag.
    """
    state = fetch_state(github, to.repo, to.tag)
    wanted = Wanted(to.tag, exported.files, exported.files[-1].name)
    describe_tag(state, to.tag, wanted, whole=False)
    describe_drafts(state, to.tag, wanted)
    return state
