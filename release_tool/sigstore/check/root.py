"""What a trusted root says, as values: logs, certificate authorities, and when each was valid.

Reads the JSON that `trust` hands over; whether anything was signed by them is the steps' question.
https://github.com/sigstore/protobuf-specs, sigstore_trustroot.proto
"""

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from cryptography.x509 import Certificate, load_der_x509_certificate

from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.core.errors import CannotVerify, InputError, NotVerified
from release_tool.sigstore.check.fields import (
    read_list,
    read_moment,
    read_object,
    read_octets,
    read_text,
)
from release_tool.sigstore.check.keys import SUPPORTED, LogKey
from release_tool.sigstore.check.refusal import mismatch, show
from release_tool.sigstore.trust.instance import TrustedRoot

HASH_ALGORITHM = "SHA2_256"
HINT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Window:
    """A period, both ends included; without an end it is still open."""

    start: datetime
    end: datetime | None

    def holds(self, moment: datetime) -> bool:
        """Tell whether `moment` lies in the period."""
        return self.start <= moment and (self.end is None or moment <= self.end)

    def __str__(self) -> str:
        end = "further notice" if self.end is None else self.end.isoformat()
        return f"a time from {self.start.isoformat()} until {end}"


@dataclass(frozen=True, slots=True)
class Log:
    """A transparency log or a certificate transparency log.

    `key_id` is the 32 bytes by which entries and certificates name it; `checkpoint_id`, where the
    root has one, is how its log checkpoints do.
    """

    url: str
    key_id: bytes
    key: LogKey
    window: Window
    checkpoint_id: bytes | None = None

    @property
    def hint(self) -> bytes:
        """What precedes the log's signature in a log checkpoint (https://c2sp.org/signed-note)."""
        return (self.checkpoint_id or self.key_id)[:HINT_BYTES]

    @property
    def names(self) -> tuple[str, ...]:
        """The origins that its log checkpoints may have; none where the URL has no host."""
        return names_of(self.url)


def names_of(url: str) -> tuple[str, ...]:
    """Return a URL's host as it is written, without a port, and the URL without its scheme.

    The latter only where there is a path: it tells apart logs that share a host.
    """
    place = url.partition("://")[2] if "://" in url else url
    authority, _, path = place.rstrip("/").partition("/")
    address, bracket, _ = authority.removeprefix("[").partition("]")
    host = address if bracket else authority.partition(":")[0]
    if not host:
        return ()
    return (host, f"{authority}/{path}") if path else (host,)


def choose_listing(log: Log, listings: tuple[Log, ...], moments: tuple[datetime, ...]) -> Log:
    """Choose, of the listings of one log's key, the one whose period holds every moment.

    A root may list a key again with another period. Without one that fits, `log` itself is
    returned, for the check of the periods to refuse.
    """
    for item in listings:
        same = item.key_id == log.key_id and item.key.key == log.key.key
        if same and all(item.window.holds(moment) for moment in moments):
            return item
    return log


@dataclass(frozen=True, slots=True, eq=False)
class Authority:
    """A certificate authority or time-stamp authority; `chain` runs from the leaf to the root.

    Compared by identity, like the anchors: each listing of a root is one of its own.
    """

    name: str
    chain: tuple[Certificate, ...]
    window: Window


@dataclass(frozen=True, slots=True, eq=False)
class Anchors:
    """Everything that a trusted root makes a verifier believe, and therefore demand.

    Without logs the time stamps of its authorities are demanded in place of log entries. A root
    that is `installed` may be older than a service that it does not name.
    """

    logs: tuple[Log, ...]
    ct_logs: tuple[Log, ...]
    authorities: tuple[Authority, ...]
    timestamp_authorities: tuple[Authority, ...]
    installed: bool = False

    @property
    def newest(self) -> date:
        """The day on which the youngest of its services began, which the root is no older than."""
        logs, authorities = (*self.logs, *self.ct_logs), self.authorities
        windows = [one.window for one in logs]
        windows += [one.window for one in (*authorities, *self.timestamp_authorities)]
        return max(window.start for window in windows).date()

    def unknown(self, what: str, *, expected: object, actual: object) -> NotVerified | CannotVerify:
        """Make the refusal of a service that the root does not name.

        A root given by hand says whom to believe; one that was installed cannot know what began
        after it, so that the evidence may be as good as any.
        """
        if not self.installed:
            hint = "was it signed with another Sigstore instance? see --sigstore, --trusted-root"
            return mismatch(what, expected=expected, actual=actual, hint=hint)
        return CannotVerify(
            f"{what} is not known here: {show(actual)}; cannot judge: this root came with the "
            f"package, and the newest service in it is of {self.newest.isoformat()}",
            hint="verify without --offline, or carry over what `release-tool trusted-root` prints "
            "and name it by --trusted-root; else it is another Sigstore instance's",
        )


@lru_cache(maxsize=8)
def parse_roots(root: TrustedRoot) -> tuple[Anchors, ...]:
    """Read trusted roots once, however many files are verified by them; raises `InputError`.

    Unknown fields are passed over here, unlike in a bundle: the root is believed, and a newer one
    may say more than this version understands.
    """
    documents = enumerate(root.documents, 1)
    several = f", line {{}} of {len(root.documents)}" if len(root.documents) > 1 else ""
    return tuple(
        parse_root(content, f"the trusted root ({root.source}{several.format(line)})", root)
        for line, content in documents
    )


def parse_root(content: bytes, where: str, root: TrustedRoot) -> Anchors:
    """Read one root; what it must name is a certificate authority, and who dates a signature.

    1. Logs and CT logs are named both or not at all, as Sigstore's instances have them: one that
       lost a part must not demand less than the whole did.
    2. Without logs there must be time-stamp authorities.
    """
    document = parse_json_object(content, where)
    anchors = Anchors(
        parse_logs(document, "tlogs", where),
        parse_logs(document, "ctlogs", where),
        parse_authorities(document, "certificateAuthorities", where),
        parse_authorities(document, "timestampAuthorities", where),
        installed=root.installed,
    )
    logged = bool(document.get("tlogs") or document.get("ctlogs"))
    for kind, needed, found in (
        ("transparency log", logged, anchors.logs),
        ("certificate transparency log", logged, anchors.ct_logs),
        ("certificate authority", True, anchors.authorities),
        ("log and no time-stamp authority", not logged, anchors.timestamp_authorities),
    ):
        if needed and not found:
            raise InputError(f"{where} names no {kind} that this version can use")
    return anchors


def parse_logs(document: JsonObject, name: str, where: str) -> tuple[Log, ...]:
    """Read a list of TransparencyLogInstance, leaving out keys of kinds that are unknown here."""
    items = enumerate(read_list(document, name, where))
    logs = (parse_log(item, f"{where} {name}[{position}]") for position, item in items)
    return tuple(log for log in logs if log is not None)


def parse_log(value: Any, where: str) -> Log | None:
    """Read one log; None where its algorithms are none of ours."""
    message = read_object(value, where)
    key = read_object(message.get("publicKey"), f"{where}.publicKey")
    details = read_text(key, "keyDetails", f"{where}.publicKey")
    if details not in SUPPORTED or read_text(message, "hashAlgorithm", where) != HASH_ALGORITHM:
        return None
    parsed = LogKey.parse(read_octets(key, "rawBytes", where), details, f"{where}.publicKey")
    url = str(message.get("baseUrl", ""))
    names = ("", *names_of(url))
    log_id, checkpoint_id = parse_identifiers(message, parsed.identifier(names[-1]), where)
    window = parse_window(key.get("validFor"), f"{where}.publicKey.validFor")
    return Log(url, log_id, parsed, window, checkpoint_id)


def parse_identifiers(
    message: JsonObject, computed: bytes, where: str
) -> tuple[bytes, bytes | None]:
    """Return the id that entries carry, of 32 bytes, and the one for log checkpoints, if stated.

    The latter is the former or its own first four bytes; without `logId` (which is to go), the id
    of entries is what is `computed` of the key.
    """

    def read(name: str) -> bytes:
        return read_octets(read_object(message.get(name), f"{where}.{name}"), "keyId", where)

    if "checkpointKeyId" not in message:
        return read("logId"), None
    checkpoint_id = read("checkpointKeyId")
    if len(checkpoint_id) not in (HINT_BYTES, len(computed)):
        raise InputError(f"{where}.checkpointKeyId is of {len(checkpoint_id)} bytes, not 4 or 32")
    if len(checkpoint_id) > HINT_BYTES:
        return checkpoint_id, checkpoint_id
    return read("logId") if "logId" in message else computed, checkpoint_id


def parse_authorities(document: JsonObject, name: str, where: str) -> tuple[Authority, ...]:
    """Read a list of CertificateAuthority."""
    items = enumerate(read_list(document, name, where))
    return tuple(parse_authority(item, f"{where} {name}[{position}]") for position, item in items)


def parse_authority(value: Any, where: str) -> Authority:
    """Read one authority and its certificates, of which there must be at least one."""
    message = read_object(value, where)
    chain = read_object(message.get("certChain"), f"{where}.certChain")
    certificates = tuple(
        parse_certificate(item, f"{where}.certChain")
        for item in read_list(chain, "certificates", where)
    )
    if not certificates:
        raise InputError(f"{where} has no certificate")
    name = str(message.get("uri") or certificates[0].subject.rfc4514_string())
    return Authority(name, certificates, parse_window(message.get("validFor"), f"{where}.validFor"))


def parse_certificate(value: Any, where: str) -> Certificate:
    """Read one certificate of an authority, with everything that will be asked of it."""
    der = read_octets(read_object(value, where), "rawBytes", where)
    try:
        certificate = load_der_x509_certificate(der)
        # The parser is lazy: what is malformed must come out here, where it is the root's fault.
        _ = certificate.extensions, certificate.public_key(), certificate.subject.rfc4514_string()
        _ = certificate.issuer.public_bytes(), certificate.issuer.rfc4514_string()
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except Exception as error:  # the parser's exceptions are not documented
        raise InputError(f"{where} holds something that is no certificate") from error
    return certificate


def parse_window(value: Any, where: str) -> Window:
    """Read a TimeRange; its start is required, since no service has always existed."""
    message = read_object(value, where)
    end = read_moment(message, "end", where) if "end" in message else None
    return Window(read_moment(message, "start", where), end)
