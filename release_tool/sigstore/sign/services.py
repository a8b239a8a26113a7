"""The services that a signer talks to, each asked again while it is away, within one patience.

They stand where sigstore-python's own clients would; what is signed is not known here.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from cryptography.x509 import Certificate
from requests.adapters import HTTPAdapter
from rfc3161_client import TimeStampResponse
from sigstore._internal.fulcio.client import FulcioClientError
from sigstore._internal.rekor import EntryRequestBody, RekorClientError, RekorLogSubmitter
from sigstore._internal.rekor.client import RekorClient
from sigstore._internal.timestamp import TimestampAuthorityClient, TimestampError
from sigstore.dsse import Envelope
from sigstore.errors import Error
from sigstore.hashes import Hashed
from sigstore.models import ClientTrustConfig, TransparencyLogEntry
from sigstore.oidc import ExpiredIdentity
from sigstore.sign import SigningContext

from release_tool.core.errors import SigningError, TryAgain
from release_tool.core.patience import ANSWER_SECONDS, Away, Patience, parse_wait
from release_tool.core.progress import SILENT, Progress
from release_tool.sigstore.trust.instance import SigstoreInstance

T = TypeVar("T")

PATIENCE_SECONDS = 600.0
"""How long signing waits, in all, for services that are away."""
JSON_WEB_TOKEN = re.compile(r"[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}")
ENTRY_ID = re.compile(r"/([0-9a-f]{80}|[0-9a-f]{64})")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
CONFLICT = 409


def make_patience(
    progress: Progress = SILENT,
    seconds: float = PATIENCE_SECONDS,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.time,
    answer_seconds: float = ANSWER_SECONDS,
) -> Patience:
    """Make the budget of waiting for Sigstore that one run has."""
    return Patience(progress, sleep, clock, seconds, "Sigstore", answer_seconds)


class RanOut(Exception):
    """The certificate no longer covers what a service is about to be asked."""


class SignedBefore(Exception):
    """The log has this signature already, and gives no entry for it: another has to be made."""


class Deadline(HTTPAdapter):
    """Gives every request a time limit: sigstore-python sets none for Fulcio and Rekor."""

    def __init__(self, patience: Patience) -> None:
        super().__init__()
        self.patience = patience

    def send(self, *args: Any, **options: Any) -> requests.Response:
        """Send a request, waiting for each part of the answer as long as patience allows."""
        allowed = self.patience.allowed_seconds
        options["timeout"] = min(options.get("timeout") or allowed, allowed)
        return super().send(*args, **options)


def limit(session: requests.Session, url: str, patience: Patience) -> None:
    """Give a session its time limits, and keep a loopback service away from any proxy."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, Deadline(patience))
    if urlsplit(url).hostname in LOOPBACK:
        session.trust_env = False


@dataclass(slots=True)
class PatientServices:
    """What all calls share: the patience, and until when (Unix seconds) the certificate is good."""

    patience: Patience
    ends: float | None = None

    def call(self, what: str, ask: Callable[[], T]) -> T:
        """Ask a service until it answers; raises `RanOut` where the certificate did meanwhile.

        Raises `SigningError` where the service refuses and `TryAgain` once patience has ended.
        """

        def attempt() -> T:
            if self.ends is not None and self.patience.clock() > self.ends:
                raise RanOut
            with refusals(what, self.patience.clock()):
                return ask()

        return self.patience.outlast(attempt)

    def make_context(self, instance: SigstoreInstance) -> SigningContext:
        """Build sigstore-python's context from the instance, of clients that are patient."""
        config = ClientTrustConfig.from_json(instance.trust_config.decode())
        services = config.signing_config
        fulcio, rekor = services.get_fulcio(), services.get_tlogs()[0]
        stamps = [PatientClock(each.url, self) for each in services.get_tsas()]
        limit(fulcio.session, fulcio.url, self.patience)
        session = rekor._session  # type: ignore[attr-defined]  # noqa: SLF001
        url = rekor.url  # type: ignore[attr-defined]
        limit(session, url, self.patience)
        return SigningContext(
            fulcio=fulcio,
            rekor=PatientLog(rekor, self),
            trusted_root=config.trusted_root,
            tsa_clients=[*stamps],
        )


class PatientClock(TimestampAuthorityClient):
    """A time-stamp authority that is asked until it answers.

    sigstore-python only logs a warning where one fails, and goes on to the log.
    """

    def __init__(self, url: str, services: PatientServices) -> None:
        super().__init__(url)
        self.services = services
        limit(self._session, url, services.patience)

    def request_timestamp(self, signature: bytes) -> TimeStampResponse:
        """Have a signature stamped (RFC 3161)."""
        return self.services.call("the time stamp", lambda: self.stamp(signature))

    def stamp(self, signature: bytes) -> TimeStampResponse:
        """Ask once, and raise what the library's own error was made of."""
        try:
            return super().request_timestamp(signature)
        except TimestampError as error:
            behind = error.__context__ or ValueError(str(error))
        raise behind


class PatientLog(RekorLogSubmitter):
    """A transparency log that is asked until it answers; an entry that it has already is taken."""

    def __init__(self, client: RekorLogSubmitter, services: PatientServices) -> None:
        self.client = client
        self.services = services

    def create_entry(self, request: EntryRequestBody) -> TransparencyLogEntry:
        """Have a signature logged, once, however often it has to be asked for."""
        return self.services.call("the log entry", lambda: self.log(request))

    def log(self, request: EntryRequestBody) -> TransparencyLogEntry:
        """Ask once. A conflict says that an earlier answer was lost: then take that entry."""
        try:
            return self.client.create_entry(request)
        except RekorClientError as error:
            response = response_of(error)
            if response is None or response.status_code != CONFLICT:
                raise
            return self.find_entry(request, response)

    def find_entry(
        self, request: EntryRequestBody, conflict: requests.Response
    ) -> TransparencyLogEntry:
        """Fetch the entry that is in the way; raises `SignedBefore` where it is not this one.

        Version 2 of the log only tells an index: the entry would have to be put together from
        tiles.
        """
        named = ENTRY_ID.search(conflict.headers.get("location", "")[:200])
        if not isinstance(self.client, RekorClient) or named is None:
            raise SignedBefore
        entry = self.client.log.entries.get(uuid=named[1])
        if signature_in(request) not in entry._inner.canonicalized_body.decode():  # noqa: SLF001
            raise SignedBefore
        return entry

    def _build_hashed_rekord_request(  # type: ignore[override]
        self, hashed_input: Hashed, signature: bytes, certificate: Certificate
    ) -> EntryRequestBody:
        build = self.client._build_hashed_rekord_request  # noqa: SLF001
        return build(hashed_input=hashed_input, signature=signature, certificate=certificate)

    def _build_dsse_request(  # type: ignore[override]
        self, envelope: Envelope, certificate: Certificate
    ) -> EntryRequestBody:
        build = self.client._build_dsse_request  # noqa: SLF001
        return build(envelope=envelope, certificate=certificate)


def signature_in(request: Mapping[str, Any]) -> str:
    """Find the signature (base64) in a request of the log's version 1."""
    spec = request["spec"]
    if "signature" in spec:
        return str(spec["signature"]["content"])
    return str(json.loads(spec["proposedContent"]["envelope"])["signatures"][0]["sig"])


@contextmanager
def refusals(what: str, now: float) -> Iterator[None]:
    """Turn whatever the library and its services raise into one of our errors."""
    try:
        yield
    except (FulcioClientError, RekorClientError) as error:
        raise service_refusal(response_of(error), what, str(error), now) from error
    except requests.HTTPError as error:
        raise service_refusal(error.response, what, str(error), now) from error
    except requests.exceptions.SSLError as error:
        text = f"{what}: no secure connection to {host_of(error)}: {str(error)[:200]}"
        raise TryAgain(
            text, hint="name the certificates of a proxy by REQUESTS_CA_BUNDLE"
        ) from error
    except requests.RequestException as error:
        if isinstance(error, ValueError):  # what came is no JSON, or an address is none
            raise nonsense(error, what) from error
        raise Away(f"{what}: a Sigstore service cannot be reached: {host_of(error)}") from error
    except ExpiredIdentity as error:
        raise SigningError(
            f"{what}: the signing identity has expired", hint="run the command again"
        ) from error
    except (Error, ValueError, KeyError, TypeError, IndexError) as error:
        raise nonsense(error, what) from error


def nonsense(error: Exception, what: str) -> SigningError:
    """Word an answer that is no use."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return SigningError(f"{what}: a Sigstore service answered nonsense: {said}")


def response_of(error: Exception) -> requests.Response | None:
    """Find the answer behind an error, which the library's own message leaves out."""
    response = getattr(error.__cause__ or error.__context__, "response", None)
    return response if isinstance(response, requests.Response) else None


def service_refusal(
    response: requests.Response | None, what: str, text: str, now: float
) -> SigningError | Away:
    """Tell a refusal from bad minutes; `text` is what is known where no answer is."""
    if response is None:
        return SigningError(f"{what}: a Sigstore service refused: {text[:200]}")
    said = JSON_WEB_TOKEN.sub("[token]", " ".join(response.text.split()))[:200]
    host = urlsplit(response.url).netloc
    text = f"{what}: {host} answered {response.status_code}: {said}"
    if response.status_code >= 500 or response.status_code == 429:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Away(text, parse_wait(headers, now))
    return SigningError(text)


def host_of(error: requests.RequestException) -> str:
    """Name the host that an unanswered request went to, never the request's headers."""
    url = getattr(error.request, "url", None)
    return urlsplit(str(url)).netloc if url else type(error).__name__
