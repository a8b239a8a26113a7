"""Signs artifacts and statements with Sigstore, keyless.

Gives bundles as bytes; it does not decide what is worth signing, and it does not verify: the chain
verifies every bundle as a consumer would before anything is uploaded.
"""

import contextlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from sigstore import dsse
from sigstore._internal.fulcio import ExpiredCertificate
from sigstore._internal.fulcio.client import FulcioClientError
from sigstore._internal.rekor import RekorClientError
from sigstore.errors import Error
from sigstore.hashes import Hashed
from sigstore.models import Bundle, ClientTrustConfig
from sigstore.oidc import ExpiredIdentity
from sigstore.sign import Signer, SigningContext
from sigstore_models.common.v1 import HashAlgorithm

from release_tool.core.artifact import Artifact
from release_tool.core.errors import SigningError, TryAgain
from release_tool.sigstore.sign.token import Identity
from release_tool.sigstore.trust.instance import SigstoreInstance

SERVICE_TIMEOUT_SECONDS = 30.0
JSON_WEB_TOKEN = re.compile(r"[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Deadline(HTTPAdapter):
    """Gives every request a time limit: sigstore-python sets none for Fulcio and Rekor."""

    def send(self, *args: Any, **options: Any) -> requests.Response:
        """Send a request, waiting at most 30 seconds for each part of the answer."""
        options["timeout"] = options.get("timeout") or SERVICE_TIMEOUT_SECONDS
        return super().send(*args, **options)


@dataclass(frozen=True, slots=True)
class SigningSession:
    """One short-lived key and certificate, good for all the files of one release."""

    signer: Signer
    timestamps: int

    def sign_artifact(self, artifact: Artifact) -> bytes:
        """Sign an artifact by its digest and return the bundle's JSON; raises `SigningError`."""
        digest = bytes.fromhex(artifact.digest.hex)
        with refusals(artifact.name):
            hashed = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=digest)
            return self.encode(self.signer.sign_artifact(hashed), artifact.name)

    def sign_statement(self, payload: bytes) -> bytes:
        """Sign an in-toto statement's own bytes as a DSSE envelope and return the bundle's JSON."""
        with refusals("the statement"):
            envelope = self.signer.sign_dsse(dsse.Statement(payload))
            return self.encode(envelope, "the statement")

    def encode(self, bundle: Bundle, what: str) -> bytes:
        """Write a bundle, refusing one that came back without its time stamps.

        sigstore-python only logs a warning where a time-stamp authority fails.
        """
        evidence = bundle.verification_material.timestamp_verification_data
        found = len(evidence.rfc3161_timestamps) if evidence else 0
        if found != self.timestamps:
            missing = f"{found} of {self.timestamps} time stamps"
            raise TryAgain(f"{what} got {missing}: a time-stamp authority failed")
        return bundle.to_json().encode()


@contextlib.contextmanager
def open_session(instance: SigstoreInstance, identity: Identity) -> Iterator[SigningSession]:
    """Ask Fulcio for a certificate for `identity` and yield what can sign with it.

    Raises `SigningError` where a service refuses and `TryAgain` where it cannot be reached.
    """
    with refusals("the signing certificate"):
        context, timestamps = make_context(instance)
        signer = Signer(identity.token, context)
    with quiet_library():
        yield SigningSession(signer, timestamps)


def make_context(instance: SigstoreInstance) -> tuple[SigningContext, int]:
    """Build sigstore-python's context from the instance, with a time limit on every call."""
    config = ClientTrustConfig.from_json(instance.trust_config.decode())
    services = config.signing_config
    fulcio, rekor, stamps = services.get_fulcio(), services.get_tlogs()[0], services.get_tsas()
    limit(fulcio.session, fulcio.url)
    limit(rekor._session, rekor.url)  # type: ignore[attr-defined]  # noqa: SLF001
    for stamp in stamps:
        limit(stamp._session, stamp.url)  # noqa: SLF001
    context = SigningContext(
        fulcio=fulcio, rekor=rekor, trusted_root=config.trusted_root, tsa_clients=stamps
    )
    return context, len(stamps)


def limit(session: requests.Session, url: str) -> None:
    """Give a session its time limits, and keep a loopback service away from any proxy."""
    session.mount("https://", Deadline())
    session.mount("http://", Deadline())
    if urlsplit(url).hostname in LOOPBACK:
        session.trust_env = False


@contextlib.contextmanager
def quiet_library() -> Iterator[None]:
    """Keep the library's own warnings off stderr: what they warn of is an error here."""
    logger = logging.getLogger("sigstore")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def refusals(what: str) -> Iterator[None]:
    """Turn whatever the library and its services raise into one of our errors."""
    try:
        yield
    except (FulcioClientError, RekorClientError) as error:
        raise service_refusal(error, what) from error
    except requests.RequestException as error:
        raise TryAgain(f"{what}: a Sigstore service cannot be reached: {host_of(error)}") from error
    except (ExpiredIdentity, ExpiredCertificate) as error:
        raise SigningError(
            f"{what}: the signing identity has expired", hint="run the command again"
        ) from error
    except (Error, ValueError, KeyError, TypeError, IndexError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise SigningError(f"{what}: a Sigstore service answered nonsense: {said}") from error


def service_refusal(error: Exception, what: str) -> SigningError | TryAgain:
    """Find the answer behind an error, which the library's own message leaves out."""
    response = getattr(error.__cause__, "response", None)
    if response is None:
        return SigningError(f"{what}: a Sigstore service refused: {str(error)[:200]}")
    said = JSON_WEB_TOKEN.sub("[token]", " ".join(response.text.split()))[:200]
    host = urlsplit(response.url).netloc
    text = f"{what}: {host} answered {response.status_code}: {said}"
    if response.status_code >= 500 or response.status_code == 429:
        return TryAgain(text)
    return SigningError(text)


def host_of(error: requests.RequestException) -> str:
    """Name the host that an unanswered request went to, never the request's headers."""
    url = getattr(error.request, "url", None)
    return urlsplit(str(url)).netloc if url else type(error).__name__
