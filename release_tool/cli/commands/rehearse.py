"""`release-tool rehearse`: the whole chain against stand-ins on this machine."""

from pathlib import Path

import click

from release_tool.cli.given import SourceOptions
from release_tool.cli.options import (
    with_accept_license,
    with_no_replay,
    with_out,
    with_output,
    with_settings,
    with_sources,
    with_unpinned_checkpoint,
)
from release_tool.cli.rehearse.rehearsing import Rehearsal, rehearse
from release_tool.cli.settings import Settings
from release_tool.cli.sourcing import resolve_source
from release_tool.cli.state import State
from release_tool.core.locks import only_one
from release_tool.rehearsal.github.faults import Fault
from release_tool.rehearsal.outages import Outage


@click.command("rehearse")
@click.option(
    "--pinned", is_flag=True, help="The recipe's own network, fetched; not a small stand-in."
)
@with_sources
@with_unpinned_checkpoint
@with_no_replay
@with_out
@click.option(
    "--rekor",
    type=click.Choice(["v1", "v2"]),
    default="v1",
    show_default=True,
    help="Which version of the transparency log to rehearse with.",
)
@click.option(
    "--fault",
    "faults",
    metavar="CALL:FAULT[:NTH[:TIMES]]",
    multiple=True,
    help="Make a call of GitHub's stand-in fail, like upload:502:2; an unknown one lists all.",
)
@click.option("--serve", is_flag=True, help="Keep the stand-ins up afterwards, until ctrl-C.")
@click.option(
    "--fail",
    "outages",
    metavar="[SERVICE:]KIND[:SECONDS]",
    multiple=True,
    help="Let a service fail, like rekor:503:60; with --serve only after the rehearsal. An unknown "
    "one lists all.",
)
@with_accept_license
@with_settings
@with_output
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    accept_license: str | None,
    pinned: bool,
    sources: SourceOptions,
    unpinned_checkpoint: bool,
    no_replay: bool,
    out: Path,
    rekor: str,
    faults: tuple[str, ...],
    serve: bool,
    outages: tuple[str, ...],
) -> None:
    """Rehearse a whole release against stand-ins on this machine.

    Exports, proves, signs, publishes, fetches back and verifies, with real cryptography and real
    sockets on 127.0.0.1, and needs neither a network nor an account. Keys are thrown away at the
    end; nothing but the trusted root left in the output directory trusts what they signed.

    What is released is a small stand-in upstream. With a recipe that is named, `--pinned`, a
    checkout or a checkpoint it is the recipe's own network, as its publisher would release it, and
    what was not given is fetched by its pins.

    With `--serve` the stand-ins then stay up, and what is printed leads each command to them.

    \b
    Examples:
      release-tool rehearse
      release-tool rehearse --pinned
      release-tool rehearse --upstream-dir U-2-Net --checkpoint u2netp.pth
      release-tool rehearse --recipe mynet.toml --upstream-dir mynet --checkpoint mynet.pth
      release-tool rehearse --fault upload:reset:2 --fault publish:lost
      release-tool rehearse --serve --fail rekor:503:60
    """
    settings = settings.accepting(accept_license)
    planned = tuple(Fault.parse(fault) for fault in faults)
    failing = tuple(Outage.parse(outage) for outage in outages)
    real = pinned or unpinned_checkpoint or sources.given or settings.recipe_named
    rehearsal = Rehearsal(
        recipe=settings.recipe,
        out=out,
        source=resolve_source(sources, settings.recipe, state, pinned=not unpinned_checkpoint)
        if real
        else None,
        rekor="v2" if rekor == "v2" else "v1",
        faults=planned,
        serve=serve,
        outages=failing,
        replay=not no_replay,
    )
    with only_one(out, "rehearsing"):
        rehearse(rehearsal, state)
