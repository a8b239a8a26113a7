"""`release-tool diff`: what changed between two models and their releases."""

from functools import cache

import click

from release_tool.cli.belief import choose_root, resolve_api, resolve_belief, root_source
from release_tool.cli.given import SignerOptions, TrustOptions
from release_tool.cli.judge.changes import change_rows
from release_tool.cli.judge.judging import Judge
from release_tool.cli.judge.sides import Places, open_sides
from release_tool.cli.options import with_verifying
from release_tool.cli.settings import Settings
from release_tool.cli.state import State
from release_tool.compare.difference import find_changes
from release_tool.sigstore.trust.instance import open_trusted_root


@click.command("diff")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@with_verifying
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    first: str,
    second: str,
    signer: SignerOptions,
    trust: TrustOptions,
    github_api: str | None,
) -> None:
    """Say what changed between two models.

    A and B are model files, directories of releases, or OWNER/NAME@TAG. Where a bundle lies beside
    a model a verdict is reached first; a refusal is shown, and stops nothing. Compared are the
    graph, every tensor, what the manifests claim, and who signed. Needs numpy where tensors differ,
    torch never. Exit code 0 whether or not anything changed.

    \b
    Examples:
      release-tool diff VMAFx/vmafx@u2netp-mirror-v1 dist
      release-tool diff old.onnx new.onnx --offline --json
    """
    belief = resolve_belief(signer, settings)

    @cache
    def judge() -> Judge:
        for line in belief.notes(choose_root(trust, settings)):
            state.note(line)
        source = root_source(trust, settings)
        root = open_trusted_root(source, offline=trust.offline, progress=state)
        demands = belief.demands(settings)
        return Judge(belief.recipe(settings), belief.signer, root, demands)

    places = Places(belief.recipe(settings), resolve_api(github_api, settings), trust.offline)
    with open_sides((first, second), places, judge, state) as sides:
        found = find_changes(*sides)
        state.print_result(found.to_json(), change_rows(found, verbose=state.verbose))
