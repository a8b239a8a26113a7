"""The rehearsal's Sigstore with what no rehearsal calls, as clients and monitors call it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from release_tool.rehearsal.exchange import Refusal
from release_tool.rehearsal.server import Route
from release_tool.rehearsal.sigstore.fulcio import Fulcio
from release_tool.rehearsal.sigstore.oidc import Issuer
from release_tool.rehearsal.sigstore.rekor import RekorV1
from release_tool.rehearsal.sigstore.rekor2 import RekorV2
from release_tool.rehearsal.sigstore.trustconfig import since
from release_tool.rehearsal.sigstore.tsa import TimestampAuthority
from release_tool.rehearsal.stack import SigstoreStack, start_sigstore
from tests.standins import tsa
from tests.standins.ctlog import CtLogQuestions
from tests.standins.fulcio import FulcioQuestions, check_possession
from tests.standins.oidc import IssuerQuestions
from tests.standins.rekor import RekorQuestions
from tests.standins.rekor2 import RekorV2Questions, take_envelopes


@contextmanager
def start_whole_sigstore(
    *,
    takes_envelopes: bool = False,
    without_sct: bool = False,
    failing_tsa: bool = False,
    **options: Any,
) -> Iterator[SigstoreStack]:
    """Start every service; with `takes_envelopes` Rekor v2 is of a version before 2.3.

    `without_sct` and `failing_tsa` make Fulcio and the timestamp authority misbehave.
    """

    def change(service: Any) -> list[Route]:
        if isinstance(service, Fulcio):
            service.without_sct = without_sct
        if isinstance(service, RekorV2) and takes_envelopes:
            take_envelopes(service)
        routes = lay_out(service)
        if isinstance(service, TimestampAuthority) and failing_tsa:
            service.parsers = dict.fromkeys(service.parsers, fail)
        return routes

    with start_sigstore(lay_out=change, **options) as stack:
        yield stack


def fail(_query: bytes) -> NoReturn:
    """Fail as a timestamp authority has been seen to."""
    raise Refusal(500, "Error generating timestamp response")


def lay_out(service: Any) -> list[Route]:
    """Extend a service, and return its further routes."""
    match service:
        case Fulcio():
            service.check_possession = check_possession
            watching = CtLogQuestions(service.ctlog, service.authority)
            return FulcioQuestions(service).routes() + watching.routes()
        case Issuer():
            return IssuerQuestions(service).routes()
        case RekorV1():
            return RekorQuestions(service).routes()
        case RekorV2():
            return RekorV2Questions(service).routes()
        case TimestampAuthority():
            return tsa.extend(service)
    return []


@dataclass(frozen=True, slots=True)
class Window:
    """From when and until when a key or an authority is to be believed; no end is for ever."""

    start: datetime
    end: datetime | None = None

    def to_json(self) -> dict[str, str]:
        """Write the window as a TimeRange."""
        return since(self.start) | ({"end": since(self.end)["start"]} if self.end else {})


PARTS = {
    "tlog": "tlogs",
    "ca": "certificateAuthorities",
    "ctlog": "ctlogs",
    "tsa": "timestampAuthorities",
}


def make_trusted_root(stack: SigstoreStack, **windows: Window) -> bytes:
    """Write a stack's trusted root with other windows for any of its parts."""
    root = json.loads(stack.trusted_root)
    for part, window in windows.items():
        for one in root[PARTS[part]]:
            one.get("publicKey", one)["validFor"] = window.to_json()
    return json.dumps(root).encode() + b"\n"
