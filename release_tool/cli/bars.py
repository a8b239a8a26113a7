"""Progress bars for a terminal, by rich; plain lines elsewhere are `state.py`'s."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from release_tool.core.progress import Advance

BYTES_FROM = 10_000


@contextmanager
def show_bar(name: str, total: int, *, color: bool) -> Iterator[Advance]:
    """Show a bar on stderr: steps for a small total, bytes with rate and time left for a large."""
    bytes_columns = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    step_columns = (TaskProgressColumn(), TimeElapsedColumn())
    columns = bytes_columns if total >= BYTES_FROM else step_columns
    console = Console(stderr=True, no_color=not color)
    with Progress(
        TextColumn("  {task.description}"), BarColumn(), *columns, console=console
    ) as bar:
        task = bar.add_task(name, total=total)
        yield lambda advance: bar.advance(task, advance)
