"""Trusted roots: what is none is an input error, and never a crash."""

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from release_tool.core.errors import CannotVerify, InputError, NotVerified
from release_tool.rehearsal.sigstore.authority import Authority, add_ca, make_name
from release_tool.rehearsal.sigstore.note import LogKey
from release_tool.rehearsal.sigstore.rekor import RekorV1
from release_tool.rehearsal.sigstore.rekor2 import RekorV2
from release_tool.rehearsal.sigstore.trustconfig import describe_authority
from release_tool.rehearsal.stack import SigstoreStack, start_sigstore
from release_tool.sigstore.check.root import parse_roots
from release_tool.sigstore.trust.instance import (
    TrustedRoot,
    open_trusted_root,
    trusted_root_of,
)
from tests.standins.sigstore import Window

PARTS = ["tlogs", "ctlogs", "certificateAuthorities"]


def read(content: bytes):
    (anchors,) = parse_roots(TrustedRoot(content, "test"))
    return anchors


def test_the_installed_roots_of_sigstore_are_read():
    for name in ("production", "staging"):
        (anchors,) = parse_roots(open_trusted_root(name, offline=True))
        assert anchors.logs
        assert anchors.ct_logs
        assert anchors.authorities
        assert anchors.timestamp_authorities


@pytest.mark.parametrize("part", PARTS)
def test_a_root_without_a_service_is_refused(v1, part):
    document = json.loads(v1.stack.trusted_root)
    document[part] = []
    with pytest.raises(InputError, match="names no"):
        read(json.dumps(document).encode())


def test_a_key_of_a_kind_unknown_here_is_left_out(v1):
    document = json.loads(v1.stack.trusted_root)
    document["tlogs"].append(json.loads(json.dumps(document["tlogs"][0])))
    document["tlogs"][1]["publicKey"]["keyDetails"] = "ML_DSA_65"
    document["tlogs"].append({**document["tlogs"][0], "hashAlgorithm": "SHA3_256"})
    assert len(read(json.dumps(document).encode()).logs) == 1


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("tlogs", 0, "publicKey", "validFor"), {}, "start is missing"),
        (("tlogs", 0, "publicKey", "validFor", "start"), "soon", "not a time stamp"),
        (("tlogs", 0, "publicKey", "rawBytes"), "AAAA", "is not a public key"),
        (("tlogs", 0, "logId"), None, "is not an object"),
        (("ctlogs",), "none", "is not a list"),
        (("certificateAuthorities", 0, "certChain", "certificates"), [], "has no certificate"),
        (
            ("certificateAuthorities", 0, "certChain", "certificates", 0, "rawBytes"),
            "AAAA",
            "no certificate",
        ),
    ],
)
def test_a_broken_root_is_an_input_error_that_names_the_place(v1, path, value, reason):
    document = json.loads(v1.stack.trusted_root)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(InputError, match=reason):
        read(json.dumps(document).encode())


Edit = Callable[[dict[str, Any]], None]


def at_url(url: str) -> Edit:
    """Let the root know the log by a URL."""

    def edit(document: dict[str, Any]) -> None:
        document["tlogs"][0]["baseUrl"] = url

    return edit


def edited(signer, edit: Edit) -> TrustedRoot:
    """Change a rehearsed root, and read it as a file of that content would be read."""
    document = json.loads(signer.stack.trusted_root)
    edit(document)
    return trusted_root_of(json.dumps(document).encode(), "edited")


def shorten(*parts: str, stated: bool = True) -> Edit:
    """Give logs the checkpoint key id that is recommended: four bytes, beside their id or alone."""

    def edit(document: dict[str, Any]) -> None:
        for log in (log for part in parts for log in document[part]):
            key_id = base64.b64decode(log["logId"]["keyId"])
            log["checkpointKeyId"] = {"keyId": base64.b64encode(key_id[:4]).decode()}
            if not stated:
                del log["logId"]

    return edit


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("parts", [("tlogs",), ("tlogs", "ctlogs")])
def test_a_checkpoint_key_id_of_four_bytes_is_the_hint_of_log_checkpoints(
    signer, content, parts, stated
):
    bundle = signer.sign(content)
    assert signer.verify(bundle, content, root=edited(signer, shorten(*parts, stated=stated)))


def test_a_root_with_checkpoint_key_ids_believes_no_more_than_one_without(signer, v1, v2, content):
    bundle, other = signer.sign(content), v2 if signer is v1 else v1

    def forge(document):
        """Name the log as it is, with somebody else's key."""
        shorten("tlogs")(document)
        known = json.loads(other.stack.trusted_root)["tlogs"][0]["publicKey"]
        document["tlogs"][0]["publicKey"] = known

    with pytest.raises(NotVerified, match="log checkpoint is not signed by the log"):
        signer.verify(bundle, content, root=edited(signer, forge))

    def forget(document):
        forge(document)
        del document["tlogs"][0]["logId"]

    with pytest.raises(NotVerified, match="the transparency log: expected"):
        signer.verify(bundle, content, root=edited(signer, forget))

    def misname(document):
        document["tlogs"][0]["checkpointKeyId"] = {"keyId": "AAAAAA=="}

    with pytest.raises(NotVerified, match="log checkpoint is not signed by the log"):
        signer.verify(bundle, content, root=edited(signer, misname))


@pytest.mark.parametrize("text", ["AAAA", "AAAAAAA=", "A" * 44])
def test_a_checkpoint_key_id_of_another_length_is_an_input_error(v1, text):
    def edit(document):
        document["tlogs"][0]["checkpointKeyId"] = {"keyId": text}

    with pytest.raises(InputError, match="not 4 or 32"):
        parse_roots(edited(v1, edit))


def test_a_log_is_known_by_a_url_without_scheme_or_with_a_path(v1, content):
    name = "log.test/2026"
    with start_sigstore(rekor="v2") as stack:
        assert isinstance(stack.rekor, RekorV2)
        stack.rekor.name, stack.rekor.key = name, LogKey.make_ed25519(name)
        signer = type(v1)(stack)
        bundle = signer.sign(content)
        for url in ("log.test/2026", "https://log.test/2026", "https://log.test/2026/"):
            root = edited(signer, at_url(url))
            assert signer.verify(bundle, content, root=root)
        for url in ("log.test", "https://log.test", "log.test/2025", "other.test/2026"):
            root = edited(signer, at_url(url))
            with pytest.raises(NotVerified, match="the log checkpoint's origin: expected"):
                signer.verify(bundle, content, root=root)


@pytest.mark.parametrize("version", ["+json;version=0.1", ".v0.1+json", ".v0.2+json"])
def test_every_version_of_a_trusted_root_is_read(signer, content, version):
    def edit(document):
        document["mediaType"] = f"application/vnd.dev.sigstore.trustedroot{version}"

    bundle = signer.sign(content)
    assert signer.verify(bundle, content, root=edited(signer, edit))
    with pytest.raises(NotVerified):
        signer.verify(bundle, b"tampered", root=edited(signer, edit))


@pytest.mark.parametrize("version", ["+json;version=0.2", ".v0.3+json", ".v0.2+json;x", ""])
def test_a_root_of_a_version_that_is_unknown_is_refused(v1, version):
    def edit(document):
        document["mediaType"] = f"application/vnd.dev.sigstore.trustedroot{version}"

    with pytest.raises(InputError, match="neither a Sigstore trusted root"):
        edited(v1, edit)


@dataclass
class Reissuing:
    """An authority whose certificate is issued anew, with the same key and another validity."""

    stack: SigstoreStack
    root: Authority
    issuing: Authority
    now: datetime

    @classmethod
    def start(cls, stack: SigstoreStack) -> "Reissuing":
        """Put a root whose key the test holds in the place of the rehearsal's."""
        now = datetime.now(UTC).replace(microsecond=0)
        root = Authority.make_root("a root", now)
        return cls(stack, root, root.make_intermediate("an authority", now), now)

    def reissue(self, start: float, end: float) -> Authority:
        """Issue the authority's certificate for a period, in minutes from the start."""
        key = self.issuing.private.public_key()
        builder = x509.CertificateBuilder(
            issuer_name=make_name("a root"),
            subject_name=make_name("an authority"),
            public_key=key,
            serial_number=x509.random_serial_number(),
            not_valid_before=self.at(start),
            not_valid_after=self.at(end),
        )
        certificate = self.root.sign(add_ca(builder, key, path_length=0))
        return Authority(self.issuing.private, (certificate, *self.root.chain))

    def at(self, minutes: float) -> datetime:
        return self.now + timedelta(minutes=minutes)

    def describe(self, *listed: tuple[Authority, float, float]) -> TrustedRoot:
        """Write a root that lists these authorities, each with a period in minutes."""
        document = json.loads(self.stack.trusted_root)
        document["certificateAuthorities"] = [
            describe_authority(
                authority, "https://ca.test", Window(self.at(start), self.at(end)).to_json()
            )
            for authority, start, end in listed
        ]
        return TrustedRoot(json.dumps(document).encode(), "issued anew")


@pytest.fixture(scope="module")
def reissued(v1):
    """Sign under an authority that ended five minutes after the leaf began.

    The time stamp is of the seventh minute and the log's promise of the eighth.
    """
    shift = [timedelta(0)]
    with start_sigstore(clock=lambda: datetime.now(UTC) + shift[0]) as stack:
        made = Reissuing.start(stack)
        assert isinstance(stack.rekor, RekorV1)
        stack.rekor.clock = lambda: datetime.now(UTC) + timedelta(minutes=8)
        stack.fulcio.authority = made.reissue(-1000, 5)
        signer = type(v1)(stack)
        with signer.context() as signing:
            shift[0] = timedelta(minutes=7)
            bundle = signing.sign_artifact(b"file").to_json().encode()
        yield made, signer, bundle


OLD, NEW, YOUNG = (-1000, 5), (-1000, 1000), (4, 1000)


@pytest.mark.parametrize("period", [NEW, YOUNG], ids=["the same start", "younger than the leaf"])
@pytest.mark.parametrize("order", [1, -1])
def test_an_authority_that_was_issued_anew_stands_beside_the_old_one(reissued, period, order):
    made, signer, bundle = reissued
    listed = [(made.reissue(*OLD), *OLD), (made.reissue(*period), *period)][::order]
    assert signer.verify(bundle, b"file", root=made.describe(*listed))


def test_what_ended_is_not_believed_because_another_listing_holds(reissued):
    made, signer, bundle = reissued
    old, new, young = (made.reissue(*period) for period in (OLD, NEW, YOUNG))
    for listed, reason in (
        ([(old, *OLD)], "time of signing: expected the validity of a certificate of the authority"),
        ([(old, *NEW)], "time of signing: expected the validity of a certificate of the authority"),
        ([(new, *OLD)], "time at which the certificate authority was used"),
        ([(old, *NEW), (new, *OLD)], "time at which the certificate authority was used"),
        ([(old, *OLD), (young, 8, 1000)], "time at which the certificate authority was used"),
    ):
        with pytest.raises(NotVerified, match=reason):
            signer.verify(bundle, b"file", root=made.describe(*listed))


def test_two_times_may_lie_in_the_periods_of_two_listings(reissued):
    made, signer, bundle = reissued
    new = made.reissue(*NEW)
    before, after = (new, -1000, 7.5), (new, 7.5, 1000)
    assert signer.verify(bundle, b"file", root=made.describe(before, after))
    for one in (before, after):
        with pytest.raises(NotVerified, match="time at which the certificate authority was used"):
            signer.verify(bundle, b"file", root=made.describe(one))
    early, late = made.reissue(-1000, 7.5), made.reissue(7.5, 1000)
    assert signer.verify(bundle, b"file", root=made.describe((early, *NEW), (late, *NEW)))
    for one in (early, late):
        with pytest.raises(NotVerified, match="validity of a certificate of the authority"):
            signer.verify(bundle, b"file", root=made.describe((one, *NEW)))


def test_a_window_says_what_it_is(v1):
    window = read(v1.stack.trusted_root).logs[0].window
    assert str(window).endswith("until further notice")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_damaged_roots_never_crash_and_never_turn_a_refusal_round(v1, message_bundles, seed):
    source = random.Random(seed)  # noqa: S311
    content = bytearray(v1.stack.trusted_root)
    for _ in range(source.randint(1, 3)):
        at = source.randrange(len(content))
        match source.randrange(3):
            case 0:
                content[at] ^= 1 << source.randrange(7)
            case 1:
                del content[at : at + source.randint(1, 50)]
            case _:
                content[at:at] = content[at // 2 : at // 2 + 20]
    try:
        v1.verify(message_bundles["v1"], b"tampered", root=TrustedRoot(bytes(content), "damaged"))
    except (InputError, NotVerified, CannotVerify):
        return
    raise AssertionError("a tampered file was accepted")


def test_a_certificate_whose_names_are_not_text_makes_a_broken_root(v1):
    """A fuzzer's find: such a name is parsed late, and was then no input error any more."""
    document = json.loads(v1.stack.trusted_root)
    place = document["timestampAuthorities"][0]["certChain"]["certificates"][0]
    der = bytearray(base64.b64decode(place["rawBytes"]))
    at = der.index(b"rehearsal")  # the first name in a certificate is its issuer's
    der[at] = 0xFF
    place["rawBytes"] = base64.b64encode(der).decode()
    with pytest.raises(InputError, match="no certificate"):
        read(json.dumps(document).encode())


@pytest.mark.parametrize("part", ["tlogs", "ctlogs"])
@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_a_key_listed_twice_is_used_by_the_listing_whose_period_holds(
    request, message_bundles, part, position, kind
):
    signer = request.getfixturevalue(kind)
    document = json.loads(signer.stack.trusted_root)
    older = json.loads(json.dumps(document[part][0]))
    older["publicKey"]["validFor"] = {
        "start": "2020-01-01T00:00:00Z",
        "end": "2021-01-01T00:00:00Z",
    }
    document[part].insert(position, older)
    root = TrustedRoot(json.dumps(document).encode(), "twice")
    assert signer.verify(message_bundles[kind], root=root)
    document[part][1 - position]["publicKey"]["validFor"] = older["publicKey"]["validFor"]
    gone = TrustedRoot(json.dumps(document).encode(), "twice, and both over")
    with pytest.raises(NotVerified, match="log was used"):
        signer.verify(message_bundles[kind], root=gone)
