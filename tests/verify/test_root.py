"""Trusted roots: what is none is an input error, and never a crash."""

import base64
import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from release_tool.core.errors import CannotVerify, InputError, NotVerified
from release_tool.sigstore.check.root import parse_root
from release_tool.sigstore.trust.instance import TrustedRoot, open_trusted_root

PARTS = ["tlogs", "ctlogs", "certificateAuthorities"]


def read(content: bytes):
    return parse_root(TrustedRoot(content, "test"))


def test_the_installed_roots_of_sigstore_are_read():
    for name in ("production", "staging"):
        anchors = parse_root(open_trusted_root(name, offline=True))
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
