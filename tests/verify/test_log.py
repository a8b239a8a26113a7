"""Merkle paths, log checkpoints and the keys of logs, against trees grown in the test."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from release_tool.core.errors import CannotVerify, InputError, NotVerified
from release_tool.sigstore.check.bundle import InclusionProof, LogEntry
from release_tool.sigstore.check.keys import LogKey
from release_tool.sigstore.check.log import (
    check_checkpoint,
    check_inclusion,
    check_promise,
    root_of_path,
)
from release_tool.sigstore.check.root import Log, Window

KEY = ed25519.Ed25519PrivateKey.generate()
OPEN = Window(datetime(2020, 1, 1, tzinfo=UTC), None)
LOG = Log("https://log.test", b"k" * 32, LogKey(KEY.public_key(), None), OPEN)
V1, V2 = ("hashedrekord", "0.0.1"), ("hashedrekord", "0.0.2")


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def grow(leaves: list[bytes]) -> bytes:
    """Compute a tree's root as RFC 6962 §2.1 defines it."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node(grow(leaves[:split]), grow(leaves[split:]))


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """Compute an audit path as RFC 6962 §2.1.1 defines it."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*path(index, leaves[:split]), grow(leaves[split:])]
    return [*path(index - split, leaves[split:]), grow(leaves[:split])]


def prove(index: int, leaves: list[bytes]) -> InclusionProof:
    return InclusionProof(index, len(leaves), grow(leaves), tuple(path(index, leaves)), "")


def test_every_path_of_every_small_tree_leads_to_its_root():
    for size in range(1, 40):
        leaves = [sha256(bytes([number])).digest() for number in range(size)]
        for index in range(size):
            proof = prove(index, leaves)
            assert root_of_path(leaves[index], proof) == proof.root


@given(st.integers(2, 40), st.data())
def test_a_path_leads_nowhere_for_another_index_size_or_length(size, data):
    leaves = [sha256(bytes([number])).digest() for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    proof = prove(index, leaves)
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index))
    for wrong in (
        InclusionProof(other, size, proof.root, proof.hashes, ""),
        InclusionProof(index, size, proof.root, proof.hashes[:-1], ""),
        InclusionProof(index, size, proof.root, (*proof.hashes, leaves[0]), ""),
        InclusionProof(index, size, proof.root, (leaves[other], *proof.hashes[1:]), ""),
    ):
        if wrong != proof:
            assert root_of_path(leaves[index], wrong) != proof.root


def checkpoint(size: int = 1, root: bytes = b"r" * 32, name: str = "log.test", origin=None) -> str:
    body = f"{origin or 'log.test'}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = base64.b64encode(LOG.key_id[:4] + KEY.sign(body.encode())).decode()
    return f"{body}\n— {name} {signature}\n"


def proof_with(text: str) -> InclusionProof:
    return InclusionProof(0, 1, b"r" * 32, (), text)


def test_a_log_checkpoint_is_accepted_beside_cosignatures():
    check_checkpoint(proof_with(checkpoint()), LOG)
    check_checkpoint(proof_with(checkpoint(origin="log.test - 123")), LOG)
    witness = f"— witness.test {base64.b64encode(bytes(68)).decode()}\n"
    check_checkpoint(proof_with(checkpoint() + witness), LOG)


@pytest.mark.parametrize(
    "text",
    [
        checkpoint(name="log.tesT"),
        checkpoint().replace("log.test\n", "log.tesT\n", 1),
        checkpoint().replace("\n1\n", "\n2\n"),
        checkpoint(size=2),
        checkpoint(root=b"s" * 32),
    ],
)
def test_a_log_checkpoint_by_another_name_or_of_another_tree_is_refused(text):
    with pytest.raises(NotVerified):
        check_checkpoint(proof_with(text), LOG)


def entry_in(origin: str, kind: tuple[str, str], promise: bytes | None = None) -> LogEntry:
    """Make the only entry of a log whose checkpoint has this origin, signed under its name."""
    root = sha256(b"\0{}").digest()
    text = checkpoint(root=root, name=origin.partition(" - ")[0], origin=origin)
    return LogEntry(
        0, LOG.key_id, *kind, None, promise, InclusionProof(0, 1, root, (), text), b"{}"
    )


@pytest.mark.parametrize(
    ("url", "origin", "kind"),
    [
        ("https://log.test", "log.test", V2),
        ("https://log.test/", "log.test", V2),
        ("https://log.test:8080/api", "log.test", V2),
        ("https://[::1]:8080", "::1", V2),
        ("https://log.test", "log.test - 123", V1),
        ("https://log.test/api", "log.test/api", V2),
        ("https://log.test/api/", "log.test/api", V2),
        ("https://log.test:8080/api/2", "log.test:8080/api/2", V2),
        ("log.test", "log.test", V2),
        ("log.test:8080", "log.test", V2),
        ("log.test/api", "log.test/api", V2),
    ],
)
def test_an_entry_without_a_promise_is_proved_by_the_log_at_its_url(url, origin, kind):
    check_inclusion(entry_in(origin, kind), replace(LOG, url=url))


@pytest.mark.parametrize(
    ("url", "origin", "kind"),
    [
        ("https://log.test:8080", "log.test:8080", V2),
        ("https://log.test", "log.test/api", V2),
        ("https://log.test", "https://log.test", V2),
        ("https://log.test", "Log.test", V2),
        ("https://log.test", "log.tes", V2),
        ("https://log.test", "log.test.evil", V2),
        ("https://log.test", "log.test - 123", V2),
        ("https://log.test", "other.test - 123", V1),
    ],
)
def test_a_log_checkpoint_of_another_origin_proves_no_entry_without_a_promise(url, origin, kind):
    log = replace(LOG, url=url)
    with pytest.raises(NotVerified) as refused:
        check_inclusion(entry_in(origin, kind), log)
    assert f"origin: expected log.test, actual {origin}" in str(refused.value)
    # A promise ties the entry to the log's key; the name then only has to fit its own signature.
    check_inclusion(entry_in(origin, kind, promise=b"checked by its own step"), log)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://log.test/api", "log.test/ap"),
        ("https://log.test/api", "log.test/other"),
        ("log.test/api", "log.test/API"),
        ("log.test:8080/api", "log.test/api"),
    ],
)
def test_a_log_at_a_path_is_not_the_one_at_another(url, origin):
    with pytest.raises(NotVerified, match=r"origin: expected log\.test or log\.test"):
        check_inclusion(entry_in(origin, V2), replace(LOG, url=url))


@pytest.mark.parametrize("url", ["", "https://", "https:///api", "/api", ":8080"])
def test_a_log_without_an_address_proves_no_entry_without_a_promise(url):
    assert replace(LOG, url=url).names == ()
    with pytest.raises(CannotVerify, match="names no host"):
        check_inclusion(entry_in("log.test", V2), replace(LOG, url=url))


@pytest.mark.parametrize(
    "text", ["", "\n\n", "a\nb\n\n", checkpoint().rstrip("\n"), "\n1\nAA==\n\n— a b\n"]
)
def test_a_malformed_log_checkpoint_is_unreadable(text):
    with pytest.raises(CannotVerify):
        check_checkpoint(proof_with(text), LOG)


def line(name: str = "witness.test", content: bytes = bytes(68)) -> str:
    return f"— {name} {base64.b64encode(content).decode()}\n"


OWN = base64.b64decode(checkpoint().split(" ")[-1])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (checkpoint() + "\n", "malformed signature: ''"),
        (checkpoint() + "\n\n" + line(), "malformed signature: ''"),
        (checkpoint() + "\0\n", "malformed signature"),
        (checkpoint() + "x" * 1000 + "\n", "malformed signature"),
        (checkpoint() + line("a\x1b[2J"), "malformed signature"),
        (checkpoint() + line("a\u200b"), "malformed signature"),
        (checkpoint() + line("a b"), "malformed signature"),
        (checkpoint() + line("a+b"), "malformed signature"),
        (checkpoint() + line("a\u00a0b"), "malformed signature"),
        (checkpoint() + line("a\r"), "malformed signature"),
        (checkpoint() + line().replace("\n", " \n"), "malformed signature"),
        (checkpoint() + line().replace("\n", "\r\n"), "malformed signature"),
        (checkpoint() + line().replace("—", "-"), "malformed signature"),
        (checkpoint() + line().replace(" ", "  ", 1), "malformed signature"),
        (checkpoint() + line().replace("AA", "AB=", 1), "not base64|canonical"),
        (checkpoint() + line(content=b"hint"), "too short"),
        (checkpoint() + line().rstrip("\n"), "the log checkpoint is malformed"),
        (checkpoint() + line() * 2, "a signer twice"),
        (checkpoint() + line("log.test", OWN), "a signer twice"),
        (checkpoint() + line("log.test", OWN[:4] + bytes(64)), "a signer twice"),
        (checkpoint() + "".join(line(f"w{n}") for n in range(64)), "more than 64"),
        (checkpoint() + line(content=bytes(64 * 1024)), "the log checkpoint is malformed"),
        (checkpoint().replace("\n\n", "\n\n\n"), "malformed signature: ''"),
        ("\n" + checkpoint(), "the log checkpoint is malformed"),
    ],
)
def test_a_log_checkpoint_is_read_to_its_last_byte(text, reason):
    with pytest.raises(CannotVerify, match=reason):
        check_checkpoint(proof_with(text), LOG)


def test_a_line_in_the_logs_own_name_and_hint_must_verify():
    forged = checkpoint().rpartition("—")[0] + line("log.test", OWN[:4] + bytes(64))
    with pytest.raises(NotVerified, match="not signed by the log"):
        check_checkpoint(proof_with(forged), LOG)
    # Of another key of the log, whose hint differs, nothing is known here.
    check_checkpoint(proof_with(checkpoint() + line("log.test", b"hint" + bytes(64))), LOG)


def test_the_most_that_a_log_checkpoint_may_hold_is_read_at_once():
    full = checkpoint() + "".join(line(f"w{n}") for n in range(63))
    check_checkpoint(proof_with(full), LOG)


def test_a_time_beyond_the_calendar_is_refused():
    entry = LogEntry(1, b"", "dsse", "0.0.1", 2**63, b"", proof_with(""), b"{}")
    message = b'{"body":"e30=","integratedTime":9223372036854775808,"logID":"","logIndex":1}'
    signed = LogEntry(1, b"", "dsse", "0.0.1", 2**63, KEY.sign(message), proof_with(""), b"{}")
    with pytest.raises(NotVerified, match="not signed"):
        check_promise(entry, LOG)
    with pytest.raises(NotVerified, match="out of range"):
        check_promise(signed, LOG)


def spki(key: Any) -> Any:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_keys_of_every_supported_kind_verify_their_own_signatures_only():
    message, other = b"message", b"other"
    elliptic = ec.generate_private_key(ec.SECP384R1())
    modular = rsa.generate_private_key(65537, 2048)
    signatures = [
        (KEY, "PKIX_ED25519", KEY.sign(message)),
        (elliptic, "PKIX_ECDSA_P384_SHA_384", elliptic.sign(message, ec.ECDSA(SHA384()))),
        (modular, "PKIX_RSA_PKCS1V15_2048_SHA256", modular.sign(message, PKCS1v15(), SHA256())),
    ]
    for key, details, signature in signatures:
        parsed = LogKey.parse(spki(key), details, "it")
        assert parsed.signed(signature, message)
        assert not parsed.signed(signature, other)
        assert not parsed.signed(b"", message)


def test_a_key_that_is_not_what_it_is_called_is_refused():
    elliptic, modular = (
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(65537, 2048),
    )
    for key, details in (
        (KEY, "PKIX_ECDSA_P256_SHA_256"),
        (elliptic, "PKIX_ECDSA_P384_SHA_384"),
        (elliptic, "PKIX_ED25519"),
        (modular, "PKIX_RSA_PKCS1V15_4096_SHA256"),
    ):
        with pytest.raises(InputError, match="no key of the kind"):
            LogKey.parse(spki(key), details, "it")
    with pytest.raises(InputError, match="is not a public key"):
        LogKey.parse(b"nothing", "PKIX_ED25519", "it")
