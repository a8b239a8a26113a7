"""`release-tool rehearse`: the whole chain against stand-ins on this machine."""

from pathlib import Path

import click

from release_tool.cli.options import DIRECTORY, FILE, with_output, with_settings
from release_tool.cli.rehearsing import Rehearsal, rehearse
from release_tool.cli.settings import Settings
from release_tool.cli.state import State
from release_tool.core.errors import UsageError
from release_tool.core.locks import only_one
from release_tool.rehearsal.github_faults import Fault


@click.command("rehearse")
@click.option("--upstream-dir", type=DIRECTORY, help="A real checkout; else a small stand-in.")
@click.option("--checkpoint", type=FILE, help="A real checkpoint, together with --upstream-dir.")
@click.option("--unpinned-checkpoint", is_flag=True, help="Take another than the pinned one.")
@click.option("--out", type=DIRECTORY, default="dist", show_default=True, help="Where files go.")
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
    help="Let GitHub's stand-in fail on cue, like upload:502:2; an unknown one lists all.",
)
@with_settings
@with_output
@click.pass_obj
def command(
    state: State,
    settings: Settings,
    upstream_dir: Path | None,
    checkpoint: Path | None,
    unpinned_checkpoint: bool,
    out: Path,
    rekor: str,
    faults: tuple[str, ...],
) -> None:
    """Rehearse a whole release against stand-ins on this machine.

    Exports, proves, signs, publishes, fetches back and verifies, with real cryptography and real
    sockets on 127.0.0.1, and needs neither a network nor an account. Keys are thrown away at the
    end; nothing but the trusted root left in the output directory trusts what they signed.

    \b
    Examples:
      release-tool rehearse
      release-tool rehearse --upstream-dir U-2-Net --checkpoint u2netp.pth
      release-tool rehearse --fault upload:reset:2 --fault publish:lost
    """
    if (upstream_dir is None) != (checkpoint is None):
        raise UsageError("--upstream-dir and --checkpoint go together")
    rehearsal = Rehearsal(
        recipe=settings.recipe,
        out=out,
        upstream=upstream_dir,
        checkpoint=checkpoint,
        pinned=not unpinned_checkpoint,
        rekor="v2" if rekor == "v2" else "v1",
        faults=tuple(Fault.parse(fault) for fault in faults),
    )
    with only_one(out, "rehearsing"):
        rehearse(rehearsal, state)
