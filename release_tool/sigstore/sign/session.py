"""Signs artifacts and statements with Sigstore, keyless.

Gives bundles as bytes; it does not decide what is worth signing, and it does not verify: the chain
verifies every bundle as a consumer would before anything is uploaded.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sigstore import dsse
from sigstore._internal.fulcio import ExpiredCertificate
from sigstore.hashes import Hashed
from sigstore.models import Bundle
from sigstore.sign import Signer, SigningContext
from sigstore_models.common.v1 import HashAlgorithm

from release_tool.core.artifact import Artifact
from release_tool.core.errors import SigningError
from release_tool.core.patience import Patience
from release_tool.sigstore.sign.services import (
    PatientServices,
    RanOut,
    SignedBefore,
    make_patience,
    refusals,
)
from release_tool.sigstore.sign.token import Identity
from release_tool.sigstore.trust.instance import SigstoreInstance

SIGNATURES = 3
"""How often one thing is signed anew where the log says that it has the signature already."""


@dataclass(slots=True)
class SigningSession:
    """One short-lived key and certificate, good for all the files of one release.

    Another pair takes their place where waiting outlasts the certificate.
    """

    identity: Identity
    context: SigningContext
    services: PatientServices
    signer: Signer | None = None

    def sign_artifact(self, artifact: Artifact) -> bytes:
        """Sign an artifact by its digest and return the bundle's JSON.

        Raises `SigningError` where a service refuses, `TryAgain` once patience has ended.
        """
        digest = bytes.fromhex(artifact.digest.hex)
        hashed = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=digest)
        return self.sign(artifact.name, lambda signer: signer.sign_artifact(hashed))

    def sign_statement(self, payload: bytes) -> bytes:
        """Sign an in-toto statement's own bytes as a DSSE envelope and return the bundle's JSON."""
        statement = dsse.Statement(payload)
        return self.sign("the statement", lambda signer: signer.sign_dsse(statement))

    def sign(self, what: str, make: Callable[[Signer], Bundle]) -> bytes:
        """Make a bundle, with a fresh certificate for as often as one runs out on the way."""
        signatures = 0
        while signatures < SIGNATURES:
            signer = self.signer or self.ask_certificate()
            try:
                with refusals(what, self.services.patience.clock()):
                    return make(signer).to_json().encode()
            except (RanOut, ExpiredCertificate):
                self.signer = None
            except SignedBefore:
                signatures += 1
        raise SigningError(f"{what}: the log answers 409 to every new signature")

    def ask_certificate(self) -> Signer:
        """Ask Fulcio for a certificate of a new key, with a new token where that has run out."""
        services, clock = self.services, self.services.patience.clock

        def ask() -> Signer:
            self.identity = self.identity.renewed(clock())
            return Signer(self.identity.token, self.context)

        services.ends = None
        self.signer = services.call("the signing certificate", ask)
        certificate = self.signer._signing_cert()  # noqa: SLF001
        last = certificate.not_valid_after_utc.timestamp()
        services.ends = last - services.patience.answer_seconds
        if clock() > services.ends:
            raise SigningError(
                "the signing certificate has run out already", hint="set the clock of this machine"
            )
        return self.signer


@contextmanager
def open_session(
    instance: SigstoreInstance,
    identity: Identity,
    patience: Patience | None = None,
) -> Iterator[SigningSession]:
    """Ask Fulcio for a certificate for `identity` and yield what can sign with it.

    Services that are away are waited for within `patience`.
    Raises `SigningError` where a service refuses and `TryAgain` where patience ends.
    """
    services = PatientServices(patience or make_patience())
    with refusals("the signing configuration", services.patience.clock()):
        context = services.make_context(instance)
    with quiet_library():
        session = SigningSession(identity, context, services)
        session.ask_certificate()
        yield session


@contextmanager
def quiet_library() -> Iterator[None]:
    """Keep the library's own warnings off stderr: what they warn of is an error here."""
    logger = logging.getLogger("sigstore")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
