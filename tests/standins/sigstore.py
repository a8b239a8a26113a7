"""The rehearsal's Sigstore with what no rehearsal calls, as clients and monitors call it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from release_tool.rehearsal.server import Route
from release_tool.rehearsal.sigstore.ctlog import CtLog
from release_tool.rehearsal.sigstore.fulcio import Fulcio
from release_tool.rehearsal.sigstore.rekor import RekorV1
from release_tool.rehearsal.sigstore.rekor2 import RekorV2
from release_tool.rehearsal.sigstore.tsa import TimestampAuthority
from release_tool.rehearsal.stack import SigstoreStack, start_sigstore
from tests.standins import tsa
from tests.standins.ctlog import CtLogQuestions
from tests.standins.fulcio import FulcioQuestions, check_possession
from tests.standins.rekor import RekorQuestions
from tests.standins.rekor2 import RekorV2Questions, take_envelopes


@contextmanager
def start_whole_sigstore(
    *, takes_envelopes: bool = False, **options: Any
) -> Iterator[SigstoreStack]:
    """Start every service; with `takes_envelopes` Rekor v2 is of a version before 2.3."""
    with start_sigstore(lay_out=partial(lay_out, takes_envelopes), **options) as stack:
        yield stack


def lay_out(takes_envelopes: bool, service: Any) -> list[Route]:
    """Extend a service, and return its further routes."""
    match service:
        case Fulcio():
            service.check_possession = check_possession
            return FulcioQuestions(service).routes()
        case CtLog():
            return CtLogQuestions(service).routes()
        case RekorV1():
            return RekorQuestions(service).routes()
        case RekorV2():
            if takes_envelopes:
                take_envelopes(service)
            return RekorV2Questions(service).routes()
        case TimestampAuthority():
            return tsa.extend(service)
    return []
