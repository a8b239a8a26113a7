"""A whole Sigstore on 127.0.0.1: issuer, Fulcio, CT log, Rekor and timestamp authority.

Every key is made on the spot and thrown away at the end. It serves any client that can be given a
trust config; whoever uses `requests` must have 127.0.0.1 in NO_PROXY.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from release_tool.core.documents import encode_json
from release_tool.rehearsal.outages import Outage
from release_tool.rehearsal.server import LoopbackServer, Route
from release_tool.rehearsal.sigstore import authority, trustconfig
from release_tool.rehearsal.sigstore.authority import BACKDATED, Authority
from release_tool.rehearsal.sigstore.claims import ISSUER, Claims
from release_tool.rehearsal.sigstore.ctlog import CtLog
from release_tool.rehearsal.sigstore.fulcio import Fulcio
from release_tool.rehearsal.sigstore.oidc import Clock, Issuer
from release_tool.rehearsal.sigstore.rekor import RekorV1
from release_tool.rehearsal.sigstore.rekor2 import RekorV2
from release_tool.rehearsal.sigstore.trustconfig import Window, since
from release_tool.rehearsal.sigstore.tsa import TimestampAuthority

__all__ = ["Claims", "Clock", "SigstoreStack", "start_sigstore"]

Service = Issuer | RekorV1 | RekorV2 | TimestampAuthority | Fulcio
DEFAULT_CLAIMS = Claims.of("rehearsal/u2netp-mirror")


def now_utc() -> datetime:
    """Return the time of the system's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class SigstoreStack:
    """The running services, and the documents and tokens that lead a client to them."""

    issuer_service: Issuer
    fulcio: Fulcio
    ctlog: CtLog
    rekor: RekorV1 | RekorV2
    tsa: TimestampAuthority
    window: Window
    servers: Mapping[str, LoopbackServer]

    @property
    def issuer(self) -> str:
        """The issuer that certificates name: GitHub's, as the policies under rehearsal expect."""
        return ISSUER

    @property
    def identity(self) -> str:
        """The identity that certificates carry unless a token's claims are overridden."""
        return self.issuer_service.claims.identity

    @property
    def urls(self) -> dict[str, str]:
        """Where each service listens."""
        return {
            "oidc": self.issuer_service.url,
            "fulcio": self.fulcio.url,
            "rekor": self.rekor.url,
            "tsa": self.tsa.url,
        }

    def fail(self, service: str, outage: Outage | None) -> None:
        """Begin an outage of one of the services, by its name in `urls`; None ends it."""
        self.servers[service].outage = outage

    @property
    def trusted_root(self) -> bytes:
        """The trusted root as JSON, version 0.1: enough to verify, also when all this is gone.

        All of it in one line: `gh attestation verify --custom-trusted-root` reads JSON Lines, one
        root a line, and every other client reads it as the JSON that it is.
        """
        return json.dumps(self.describe_trusted_root()).encode() + b"\n"

    @property
    def trust_config(self) -> bytes:
        """The client trust config as JSON: the trusted root and a signing config of version 0.2."""
        signing_config = trustconfig.make_signing_config(
            fulcio=self.fulcio.url,
            oidc=self.issuer_service.url,
            rekor=(self.rekor.url, self.rekor.api_version),
            tsa=self.tsa.url,
            window=self.window,
        )
        root = self.describe_trusted_root()
        return encode_json(trustconfig.make_client_trust_config(root, signing_config))

    def describe_trusted_root(self) -> dict[str, Any]:
        """Describe whom to believe, and since when."""
        log, authority = trustconfig.describe_log, trustconfig.describe_authority
        return trustconfig.make_trusted_root(
            log(self.rekor.key, self.rekor.url, self.window),
            authority(self.fulcio.authority, self.fulcio.url, self.window),
            log(self.ctlog.key, self.fulcio.url, self.window),
            authority(self.tsa.authority, self.tsa.url, self.window),
        )

    def make_identity_token(self, **claim_overrides: Any) -> str:
        """Make a token as a job would get it; an override of None leaves its claim out."""
        return self.issuer_service.make_token(**claim_overrides)

    def actions_environment(self) -> dict[str, str]:
        """Return the variables of a GitHub Actions job that may ask for identity tokens."""
        return self.issuer_service.environment()


@contextmanager
def start_sigstore(
    *,
    rekor: Literal["v1", "v2"] = "v1",
    claims: Claims = DEFAULT_CLAIMS,
    clock: Clock = now_utc,
    lay_out: Callable[[Service], Sequence[Route]] = lambda _service: (),
) -> Iterator[SigstoreStack]:
    """Start every service on a port of its own and stop them all at the end.

    `clock` is asked for the time at every step, so a test can move it between two of them.
    `lay_out` may change a service before it starts, and gives the routes that it is to have beside
    those that a rehearsal calls.
    """
    now = clock()
    root = Authority.make_root(authority.ROOT_NAME, now)
    timestamp_root = Authority.make_root(authority.TIMESTAMP_ROOT_NAME, now)
    issuer = Issuer(claims, clock)
    ctlog = CtLog(clock)
    intermediate = root.make_intermediate(authority.INTERMEDIATE_NAME, now)
    fulcio = Fulcio(intermediate, clock, issuer, ctlog)
    log = RekorV1(clock) if rekor == "v1" else RekorV2()
    tsa = TimestampAuthority(timestamp_root.make_timestamper(authority.TIMESTAMP_NAME, now), clock)
    with ExitStack() as services:

        def start(service: Service) -> LoopbackServer:
            server = service.make_server()
            server.routes.extend(lay_out(service))
            return services.enter_context(server)

        named = {"oidc": issuer, "rekor": log, "tsa": tsa, "fulcio": fulcio}
        servers = {name: start(service) for name, service in named.items()}
        yield SigstoreStack(issuer, fulcio, ctlog, log, tsa, since(now - BACKDATED), servers)
