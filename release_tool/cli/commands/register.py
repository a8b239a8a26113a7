"""`release-tool register`: a release becomes an entry of a consumer's registry."""

import os
from contextlib import ExitStack
from pathlib import Path

import click

from release_tool.chain.register import Registration, plan_registration
from release_tool.cli.belief import choose_api, choose_root, resolve_belief, root_source
from release_tool.cli.given import SignerOptions, TrustOptions
from release_tool.cli.options import FILE, with_verifying
from release_tool.cli.reading import open_read_api
from release_tool.cli.settings import Settings
from release_tool.cli.state import State
from release_tool.cli.tokens import find_token
from release_tool.core.errors import UsageError
from release_tool.core.files import temporary_directory
from release_tool.core.names import Destination
from release_tool.github.download import fetch_release
from release_tool.provenance.registry import KINDS
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe
from release_tool.sigstore.trust.instance import open_trusted_root
from release_tool.verify.evidence import open_evidence
from release_tool.verify.verdict import verify_release


@click.command("register")
@click.argument("release", metavar="DIR|OWNER/NAME@TAG")
@click.option("--registry", type=FILE, required=True, help="The registry, a JSON file.")
@click.option("--kind", type=click.Choice(KINDS), default="nr", show_default=True, help="Of entry.")
@click.option("--smoke", type=bool, default=False, show_default=True, help="A model for tests.")
@click.option("--dry-run", is_flag=True, help="Say what would be entered, and write nothing.")
@click.option(
    "--without-evaluation", is_flag=True, help="Register a model that nobody has evaluated."
)
@with_verifying
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    release: str,
    registry: Path,
    kind: str,
    smoke: bool,
    dry_run: bool,
    without_evaluation: bool,
    signer: SignerOptions,
    trust: TrustOptions,
    github_api: str | None,
) -> None:
    """Enter a verified release into a consumer's registry.

    Verifies the release, then adds its entry or updates the one of its id, and writes the sidecar
    beside the model's place; every other byte of the registry stays. Refuses (4) a release without
    a signed evaluation that it passed against the model of another entry. Which entry is the
    default it never changes.

    \b
    Examples:
      release-tool register VMAFx/vmafx@u2netp-mirror-v1 --registry model/tiny/registry.json
      release-tool register dist --registry model/tiny/registry.json --dry-run
    """
    recipe, belief = settings.recipe, resolve_belief(signer, settings)
    asked = choose_api(github_api, settings)
    for line in belief.notes(choose_root(trust, settings), asked):
        state.note(line)
    root = open_trusted_root(root_source(trust, settings), offline=trust.offline, progress=state)
    to = find_destination(release, signer.repo, recipe)
    with ExitStack() as stack:
        place = Path(release)
        if not place.is_dir():
            place = stack.enter_context(temporary_directory())
            source = open_read_api(asked.value, find_token(os.environ), state)
            fetch_release(
                stack.enter_context(source),
                to.repo,
                to.tag,
                layout.limits(recipe.names, recipe.contract.limits.max_model_bytes),
                place,
                optional=layout.optional_names(recipe.names),
                progress=state,
            )
        evidence = open_evidence(place, recipe)
        verified = verify_release(evidence, belief.signer, root, belief.demands(settings))
        wanted = Registration(registry, recipe, to, kind, smoke, without_evaluation)
        registered = plan_registration(evidence, verified, wanted)
    if not dry_run:
        registered.write()
    for remark in registered.remarks:
        state.note(remark)
    rows = [(name, str(value)) for name, value in registered.entry.items()]
    state.print_result({"entry": registered.entry, "remarks": list(registered.remarks)}, rows)


def find_destination(release: str, repo: str | None, recipe: Recipe) -> Destination:
    """Return which release it is: the one that is named, or the recipe's own of its publisher."""
    if not Path(release).is_dir():
        if "@" not in release:
            raise UsageError(f"{release} is neither a directory nor OWNER/NAME@TAG")
        return Destination.parse(release)
    return Destination.parse(f"{repo or recipe.publisher.repo}@{recipe.tag}")
