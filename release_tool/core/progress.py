"""What a stage tells about itself while it works; how it looks is the command line's choice."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """A listener for stages, remarks and long transfers."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Announce a stage; it ends, with its time, when the block does."""

    def note(self, text: str) -> None:
        """Say one fact about the stage that is under way."""

    def bar(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Follow something of `total` units (bytes, or steps); call the value with each advance."""


class Silent:
    """A listener that says nothing, for library use and for tests."""

    def stage(self, name: str) -> AbstractContextManager[None]:  # noqa: ARG002
        """Announce nothing."""
        return nullcontext()

    def note(self, text: str) -> None:
        """Say nothing."""

    def bar(self, name: str, total: int) -> AbstractContextManager[Advance]:  # noqa: ARG002
        """Follow nothing."""
        return nullcontext(lambda _advance: None)


SILENT = Silent()
