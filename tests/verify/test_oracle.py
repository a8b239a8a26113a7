"""Where the verdict departs from sigstore-python's, as decision 7 lists it: both are asked."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from sigstore.errors import Error
from sigstore.models import Bundle
from sigstore.models import TrustedRoot as OracleRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity
from sigstore_models.trustroot.v1 import TrustedRoot as OracleModel

from release_tool.core.errors import CannotVerify, InputError, NotVerified
from release_tool.rehearsal.stack import start_sigstore
from release_tool.sigstore.trust.instance import trusted_root_of
from tests.standins.sigstore import Window, make_trusted_root

Document = dict[str, Any]
Edit = Callable[[Document], object]


def verdicts(signer: Any, content: bytes, bundle: bytes, root: bytes) -> tuple[bool, bool]:
    """Tell whether a bundle is accepted here, and whether it is by sigstore-python."""
    try:
        here = bool(signer.verify(bundle, content, root=trusted_root_of(root, "the root")))
    except (NotVerified, CannotVerify, InputError):
        here = False
    policy = Identity(identity=signer.expected.identity, issuer=signer.expected.issuer)
    try:
        verifier = Verifier(trusted_root=OracleRoot(OracleModel.from_json(root)))
        parsed = Bundle.from_json(bundle)
        if json.loads(bundle).get("dsseEnvelope"):
            verifier.verify_dsse(parsed, policy)
        else:
            verifier.verify_artifact(content, parsed, policy)
    except (Error, ValueError):
        return here, False
    return here, True


def entry(document: Document) -> Any:
    return document["verificationMaterial"]["tlogEntries"][0]


def proof(document: Document) -> Any:
    return entry(document)["inclusionProof"]


def stamps(document: Document) -> Any:
    return document["verificationMaterial"]["timestampVerificationData"]


def extend_note(document: Document, more: str) -> None:
    proof(document)["checkpoint"]["envelope"] += more


def double_signer(document: Document) -> None:
    extend_note(document, proof(document)["checkpoint"]["envelope"].rpartition("\n\n")[2])


def carry(document: Document) -> None:
    """Write the bundle as of version 0.2, with the signer's certificate once more."""
    material = document["verificationMaterial"]
    document["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2"
    material["x509CertificateChain"] = {"certificates": 2 * [material.pop("certificate")]}


def break_line(document: Document) -> None:
    text = document["messageSignature"]["signature"]
    document["messageSignature"]["signature"] = f"{text[:8]}\n{text[8:]}"


def damage_stamp(document: Document) -> None:
    (stamp,) = stamps(document)["rfc3161Timestamps"]
    content = bytearray(base64.b64decode(stamp["signedTimestamp"]))
    content[-1] ^= 1
    stamp["signedTimestamp"] = base64.b64encode(content).decode()


@pytest.mark.parametrize(
    "edit",
    [
        damage_stamp,
        lambda it: extend_note(it, "anything\0\x1b[2J\n"),
        double_signer,
        lambda it: entry(it).pop("inclusionPromise"),
        carry,
        break_line,
    ],
    ids=["stamp", "junk", "signer twice", "no promise", "chain", "base64"],
)
def test_what_is_refused_here_alone(v1, content, edit: Edit):
    document = json.loads(v1.sign(content))
    root = v1.stack.trusted_root
    assert verdicts(v1, content, json.dumps(document).encode(), root) == (True, True)
    edit(document)
    assert verdicts(v1, content, json.dumps(document).encode(), root) == (False, True)


def test_an_index_that_nothing_signs_is_refused_here_alone(v2, content):
    document = json.loads(v2.sign(content))
    entry(document)["logIndex"] = "77"
    bundle = json.dumps(document).encode()
    assert verdicts(v2, content, bundle, v2.stack.trusted_root) == (False, True)


def test_a_key_id_in_an_envelope_is_refused_here_alone(v1, content, statement_bundles):
    document = json.loads(statement_bundles["v1"])
    document["dsseEnvelope"]["signatures"][0]["keyid"] = "a key"
    bundle = json.dumps(document).encode()
    assert verdicts(v1, content, bundle, v1.stack.trusted_root) == (False, True)


def test_a_member_that_stands_twice_is_refused_here_alone(v1, content, message_bundles):
    bundle = message_bundles["v1"].replace(b"{", b'{"mediaType": "another", ', 1)
    assert verdicts(v1, content, bundle, v1.stack.trusted_root) == (False, True)


@pytest.mark.parametrize("part", ["tlog", "ctlog", "ca"])
def test_a_service_whose_period_ended_is_refused_here_alone(
    v1, content, message_bundles, hours, part
):
    root = make_trusted_root(v1.stack, **{part: Window(hours(-48), hours(-24))})
    assert verdicts(v1, content, message_bundles["v1"], root) == (False, True)


@pytest.fixture(scope="module")
def first(v1):
    """Sign into a log that is empty."""
    with start_sigstore() as stack:
        signer = type(v1)(stack)
        yield signer, json.loads(signer.sign(b"file"))


@pytest.mark.parametrize(
    "edit",
    [
        lambda it: entry(it).pop("logIndex"),
        lambda it: proof(it).pop("logIndex"),
        lambda it: proof(it).pop("hashes"),
        lambda it: stamps(it).update(rfc3161Timestamps=None),
    ],
    ids=["index", "index of the proof", "path", "null for a list"],
)
def test_empty_fields_that_are_left_out_are_accepted_here_alone(first, edit: Edit):
    signer, document = first
    root = signer.stack.trusted_root
    assert verdicts(signer, b"file", json.dumps(document).encode(), root) == (True, True)
    changed = json.loads(json.dumps(document))
    edit(changed)
    assert verdicts(signer, b"file", json.dumps(changed).encode(), root) == (True, False)


def only_checkpoint_id(document: Document) -> None:
    for log in document["tlogs"]:
        log["checkpointKeyId"] = log.pop("logId")


@pytest.mark.parametrize(
    "edit",
    [
        lambda it: it.update(mediaType="application/vnd.dev.sigstore.trustedroot.v0.1+json"),
        lambda it: it.update(mediaType="application/vnd.dev.sigstore.trustedroot.v0.2+json"),
        only_checkpoint_id,
    ],
    ids=["v0.1", "v0.2", "no log id"],
)
def test_newer_trusted_roots_are_accepted_here_alone(v1, content, message_bundles, edit: Edit):
    document = json.loads(v1.stack.trusted_root)
    edit(document)
    root = json.dumps(document).encode()
    assert verdicts(v1, content, message_bundles["v1"], root) == (True, False)


def test_the_last_second_of_an_authoritys_period_is_accepted_here_alone(v1, content):
    bundle = v1.sign(content)
    told = v1.verify(bundle).signed_at  # the earlier of the stamp's time and the log's
    root = make_trusted_root(v1.stack, tsa=Window(told.replace(year=told.year - 1), told))
    document = json.loads(bundle)
    for name in ("inclusionPromise", "integratedTime"):
        del entry(document)[name]
    stamped = json.dumps(document).encode()
    assert verdicts(v1, content, stamped, root) == (True, False)
