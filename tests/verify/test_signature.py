"""One bundle: what is accepted, and every reason for which one is refused."""

import base64
import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sigstore.errors import VerificationError
from sigstore.models import Bundle
from sigstore.models import TrustedRoot as OracleRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity
from sigstore_models.trustroot.v1 import TrustedRoot as OracleModel

from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.core.names import CommitId, RepoSlug
from release_tool.sigstore.check.bundle import parse_bundle
from release_tool.sigstore.check.certificate import open_certificate
from release_tool.sigstore.check.entry import check_entry
from release_tool.sigstore.check.refusal import reading
from release_tool.sigstore.check.root import parse_roots
from release_tool.sigstore.check.signature import check_signature, make_cover, signing_times
from release_tool.sigstore.check.signing import algorithms_of
from release_tool.sigstore.trust.instance import TrustedRoot
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.evidence import evidence_for_digest
from release_tool.verify.verdict import verify_release
from tests.standins.sigstore import Window, make_trusted_root, start_whole_sigstore
from tests.verify.conftest import state_subject


def change(bundle: bytes, edit: Callable[[dict[str, Any]], Any]) -> bytes:
    document = json.loads(bundle)
    edit(document)
    return json.dumps(document).encode()


def material(document: dict[str, Any]) -> Any:
    return document["verificationMaterial"]


def entry(document: dict[str, Any]) -> Any:
    return material(document)["tlogEntries"][0]


def corrupt(text: str) -> str:
    content = bytearray(base64.b64decode(text))
    content[-1] ^= 1
    return base64.b64encode(content).decode()


def oracle_accepts(signer, bundle: bytes, content: bytes, root: bytes | None = None) -> bool:
    """Tell what sigstore-python says, under the same identity and issuer."""
    trusted = OracleRoot(OracleModel.from_json(root or signer.stack.trusted_root))
    policy = Identity(identity=signer.expected.identity, issuer=signer.expected.issuer)
    try:
        parsed = Bundle.from_json(bundle)
        if "dsseEnvelope" in json.loads(bundle):
            Verifier(trusted_root=trusted).verify_dsse(parsed, policy)
        else:
            Verifier(trusted_root=trusted).verify_artifact(content, parsed, policy)
    except (VerificationError, ValueError):
        return False
    return True


def test_a_signed_file_is_verified_and_told_in_full(signer, content):
    verified = signer.verify(signer.sign(content), content)
    document = verified.to_json()
    assert json.loads(json.dumps(document)) == document
    assert document["schema"] == "release-tool-verdict-v1"
    assert document["signer"]["identity"] == signer.expected.identity
    assert document["signer"]["repo"] == "https://github.com/rehearsal/u2netp-mirror"
    assert document["signer"]["run_url"].endswith("/actions/runs/1/attempts/1")
    assert [step["number"] for step in document["steps"]] == list(range(1, 13))
    assert verified.model.digest == verified.artifacts[0].digest
    assert abs(verified.signed_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_signed_statement_is_verified_for_each_of_its_subjects(
    signer, request, content, statement_bundles
):
    bundle = statement_bundles["v1" if signer.stack.rekor.api_version == 1 else "v2"]
    verified = signer.verify(bundle, content)
    assert verified.provenance is not None
    assert verified.provenance.predicate_type == "https://slsa.dev/provenance/v1"
    assert verified.provenance.builder == "somebody"
    with pytest.raises(NotVerified, match="the file's digest: expected that of a subject"):
        signer.verify(bundle, b"another file")


def test_what_is_accepted_here_is_accepted_by_sigstore_python(
    v1, v2, content, message_bundles, statement_bundles
):
    for signer, name in ((v1, "v1"), (v2, "v2")):
        for bundles in (message_bundles, statement_bundles):
            signer.verify(bundles[name], content)
            assert oracle_accepts(signer, bundles[name], content)


def test_another_file_is_refused_by_digest_first(v1, message_bundles):
    with pytest.raises(NotVerified, match=r"the file's digest: expected sha256:.* actual sha256:"):
        v1.verify(message_bundles["v1"], b"tampered")


def test_a_bundle_without_a_digest_is_refused_by_its_signature_or_entry(v1, message_bundles):
    bundle = change(message_bundles["v1"], lambda it: it["messageSignature"].pop("messageDigest"))
    v1.verify(bundle)
    with pytest.raises(NotVerified, match=r"the log entry's body.spec.data.hash.value: expected"):
        v1.verify(bundle, b"tampered")


def test_another_trusted_root_is_refused(v1, v2, message_bundles):
    with pytest.raises(NotVerified, match="the transparency log: expected"):
        v1.verify(message_bundles["v1"], root=v2.root)


def mix(root: bytes, other: bytes, part: str) -> TrustedRoot:
    """Take one part of a trusted root from another one."""
    return TrustedRoot(
        json.dumps({**json.loads(root), part: json.loads(other)[part]}).encode(), "mixed"
    )


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("tlogs", "the transparency log: expected"),
        ("ctlogs", "the certificate's CT log: expected"),
        ("certificateAuthorities", "the signing certificate's issuer: expected a chain to"),
    ],
)
def test_a_root_that_lacks_one_of_the_services_is_refused(v1, v2, message_bundles, part, reason):
    root = mix(v1.stack.trusted_root, v2.stack.trusted_root, part)
    with pytest.raises(NotVerified, match=reason):
        v1.verify(message_bundles["v1"], root=root)


@pytest.mark.parametrize("named", ["another", "none"])
def test_a_stamp_by_an_authority_that_the_root_does_not_name_counts_nothing(
    v1, v2, message_bundles, named
):
    def root(signer, other):
        mixed = json.loads(signer.stack.trusted_root)
        foreign = json.loads(other.stack.trusted_root)["timestampAuthorities"]
        mixed["timestampAuthorities"] = foreign if named == "another" else []
        return TrustedRoot(json.dumps(mixed).encode(), "mixed")

    verified = v1.verify(message_bundles["v1"], root=root(v1, v2))
    assert verified.steps[5].outcome.endswith("does not name, not counted")
    with pytest.raises(NotVerified, match="the authority of the time stamp: expected"):
        v2.verify(message_bundles["v2"], root=root(v2, v1))


def test_an_authority_of_one_certificate_is_no_time_stamp_authority(v1, message_bundles):
    document = json.loads(v1.stack.trusted_root)
    chain = document["timestampAuthorities"][0]["certChain"]
    chain["certificates"] = chain["certificates"][:1]
    root = TrustedRoot(json.dumps(document).encode(), "short")
    with pytest.raises(NotVerified, match="a time stamp is not over this signature"):
        v1.verify(message_bundles["v1"], root=root)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("tlog", "the transparency log was used: expected a time from .* until"),
        ("ctlog", "the CT log was used: expected"),
        ("ca", "the certificate authority was used: expected"),
        ("tsa", "the time-stamp authority was used: expected"),
    ],
)
@pytest.mark.parametrize("period", [(-48, -24), (24, 48)], ids=["ended", "not begun"])
def test_a_service_outside_its_window_is_refused(signer, hours, part, reason, period):
    bundle = signer.sign(b"file")
    window = Window(*(hours(count) for count in period))
    root = TrustedRoot(make_trusted_root(signer.stack, **{part: window}), "moved")
    with pytest.raises(NotVerified, match=reason):
        signer.verify(bundle, b"file", root=root)


@pytest.mark.parametrize("part", ["tlog", "ctlog", "ca"])
def test_sigstore_python_passes_the_ended_windows_that_are_refused_here(v1, hours, part):
    root = make_trusted_root(v1.stack, **{part: Window(hours(-48), hours(-24))})
    assert oracle_accepts(v1, v1.sign(b"file"), b"file", root)


def test_one_of_two_windows_of_an_authority_is_enough(v1, hours, message_bundles):
    document = json.loads(v1.stack.trusted_root)
    ended = json.loads(
        make_trusted_root(
            v1.stack, ca=Window(hours(-48), hours(-24)), tsa=Window(hours(-48), hours(-24))
        )
    )
    for part in ("certificateAuthorities", "timestampAuthorities"):
        document[part] = [*ended[part], *document[part]]
    v1.verify(message_bundles["v1"], root=TrustedRoot(json.dumps(document).encode(), "two"))


def test_a_stripped_time_stamp_leaves_the_logs_promise_and_v2_nothing(v1, v2, message_bundles):
    def strip(document):
        material(document).pop("timestampVerificationData")

    assert v1.verify(change(message_bundles["v1"], strip)).signed_at
    with pytest.raises(CannotVerify, match="neither an inclusion promise nor a time stamp"):
        v2.verify(change(message_bundles["v2"], strip))


def test_a_corrupt_time_stamp_is_refused_although_the_promise_would_do(
    v1, message_bundles, content
):
    def damage(document):
        stamp = material(document)["timestampVerificationData"]["rfc3161Timestamps"][0]
        stamp["signedTimestamp"] = corrupt(stamp["signedTimestamp"])

    bundle = change(message_bundles["v1"], damage)
    with pytest.raises(NotVerified, match="a time stamp is not over this signature"):
        v1.verify(bundle)
    assert oracle_accepts(v1, bundle, content), "sigstore-python has become as strict"


def test_a_time_stamp_of_another_signature_is_refused(v1, message_bundles):
    other = json.loads(v1.sign(b"other"))

    def swap(document):
        data = material(other)["timestampVerificationData"]
        material(document)["timestampVerificationData"] = data

    with pytest.raises(NotVerified, match="a time stamp is not over this signature"):
        v1.verify(change(message_bundles["v1"], swap))


def test_without_promise_and_with_a_good_time_stamp_v1_is_verified(v1, message_bundles):
    def strip(document):
        entry(document).pop("inclusionPromise")
        entry(document).pop("integratedTime")

    assert v1.verify(change(message_bundles["v1"], strip)).signed_at


def test_an_integrated_time_that_nothing_signs_is_refused(v1, message_bundles):
    for name in ("inclusionPromise", "integratedTime"):
        document = json.loads(message_bundles["v1"])
        entry(document).pop(name)
        bundle = json.dumps(document).encode()
        with pytest.raises(CannotVerify, match="an integrated time without a promise"):
            v1.verify(bundle)


def test_a_moved_integrated_time_is_refused(v1, message_bundles):
    for time in ("1", "99999999999999", "18446744073709551615"):
        document = json.loads(message_bundles["v1"])
        entry(document)["integratedTime"] = time
        bundle = json.dumps(document).encode()
        with pytest.raises(NotVerified, match=r"the promise to include entry .* is not signed"):
            v1.verify(bundle)


def test_a_log_entry_of_another_index_is_refused_in_v2_too(v2, message_bundles):
    bundle = change(message_bundles["v2"], lambda it: entry(it).update(logIndex="77"))
    with pytest.raises(NotVerified, match=r"index of the log entry: expected .*, actual 77"):
        v2.verify(bundle)


def test_the_log_entry_of_another_signature_is_refused(signer):
    one, two = (json.loads(signer.sign(content)) for content in (b"one", b"two"))
    material(one)["tlogEntries"] = material(two)["tlogEntries"]
    with pytest.raises(NotVerified, match=r"the log entry's body.spec"):
        signer.verify(json.dumps(one).encode(), b"one")


def test_the_certificate_of_another_signature_is_refused(signer):
    one, two = (json.loads(signer.sign(content)) for content in (b"one", b"two"))
    material(one)["certificate"] = material(two)["certificate"]
    with pytest.raises(NotVerified, match=r"the log entry's body\.spec|time of signing"):
        signer.verify(json.dumps(one).encode(), b"one")


def test_entries_of_a_kind_that_does_not_fit_are_refused(
    v1, v2, message_bundles, statement_bundles
):
    for kind, version in (("intoto", "0.0.2"), ("dsse", "0.0.1"), ("hashedrekord", "0.0.3")):
        document = json.loads(message_bundles["v2"])
        entry(document)["kindVersion"] = {"kind": kind, "version": version}
        with pytest.raises((NotVerified, CannotVerify)):
            v2.verify(json.dumps(document).encode())
    edit = {"kind": "hashedrekord", "version": "0.0.1"}
    bundle = change(statement_bundles["v1"], lambda it: entry(it).update(kindVersion=edit))
    with pytest.raises(CannotVerify, match="are not supported here"):
        v1.verify(bundle)
    edit = {"kind": "intoto", "version": "0.0.2"}
    bundle = change(message_bundles["v1"], lambda it: entry(it).update(kindVersion=edit))
    with pytest.raises(CannotVerify, match=r"log entries intoto 0.0.2 with a promise are unknown"):
        v1.verify(bundle)


def test_a_statement_signature_over_another_payload_is_refused(signer):
    bundle = signer.state(
        b'{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"'
        + b"00" * 32
        + b'"}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{}}'
    )

    def forge(document):
        envelope = document["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"]).replace(b"00" * 32, b"11" * 32)
        envelope["payload"] = base64.b64encode(payload).decode()

    evidence = evidence_for_digest(Sha256("11" * 32), change(bundle, forge))
    with pytest.raises(NotVerified, match=r"the log entry's body.spec"):
        verify_release(evidence, signer.expected, signer.root)


def test_an_envelope_of_another_payload_type_is_refused(v1, statement_bundles):
    bundle = change(
        statement_bundles["v1"], lambda it: it["dsseEnvelope"].update(payloadType="text/plain")
    )
    with pytest.raises(NotVerified, match="type of the signed payload: expected application/vnd"):
        v1.verify(bundle)


@contextmanager
def stack(**how: Any) -> Iterator[Any]:
    with start_whole_sigstore(**how) as running:
        yield running


def test_a_certificate_without_sct_is_refused(v1, content):
    signer_type = type(v1)
    with stack(without_sct=True) as running:
        signer = signer_type(running)
        # sigstore-python's signer refuses such a certificate itself, so its check is set aside.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sigstore.sign.verify_sct", lambda *_: None)
            bundle = signer.sign(content)
        with pytest.raises(
            NotVerified, match="certificate timestamps in the certificate: expected"
        ):
            signer.verify(bundle, content)


def test_a_signature_made_after_the_certificate_ended_is_refused(v1, content):
    signer_type, shift = type(v1), [timedelta(0)]
    with stack(clock=lambda: datetime.now(UTC) + shift[0]) as running:
        signer = signer_type(running)
        with signer.context() as signing:
            signing.sign_artifact(b"first")
            shift[0] = timedelta(minutes=30)
            bundle = signing.sign_artifact(content).to_json().encode()
        with pytest.raises(NotVerified, match="time of signing: expected the validity of the sign"):
            signer.verify(bundle, content)


@pytest.mark.parametrize(
    ("expected", "reason"),
    [
        (
            ExpectedSigner.of_workflow(RepoSlug.parse("rehearsal/u2netp")),
            "identity of the signer: expected .*u2netp/.github.* actual .*u2netp-mirror/.github",
        ),
        (
            ExpectedSigner.of_workflow(RepoSlug.parse("rehearsal/u2netp-mirror-evil")),
            "identity of the signer: expected .*mirror-evil.* actual .*u2netp-mirror/",
        ),
        (
            ExpectedSigner.of_workflow(RepoSlug.parse("Rehearsal/U2netp-Mirror")),
            "identity of the signer",
        ),
        (
            ExpectedSigner.of_workflow(
                RepoSlug.parse("rehearsal/u2netp-mirror"), "release.yml", "refs/heads/mai"
            ),
            "identity of the signer",
        ),
        (
            ExpectedSigner.of_workflow(
                RepoSlug.parse("rehearsal/u2netp-mirror"), issuer="https://issuer.example"
            ),
            "issuer that vouched for the signer: expected https://issuer.example, actual",
        ),
    ],
)
def test_another_signer_is_refused_with_expected_and_actual(v1, message_bundles, expected, reason):
    with pytest.raises(NotVerified, match=reason) as caught:
        v1.verify(message_bundles["v1"], expected=expected)
    assert "--cert-oidc-issuer" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("owner_id", "1", "source repository's owner id: expected 1, actual"),
        ("repo_id", "1", "source repository id: expected 1, actual"),
        ("ref", "refs/tags/v1", "source ref: expected refs/tags/v1, actual refs/heads/main"),
        ("commit", CommitId("ab" * 20), "source commit: expected abab"),
        ("trigger", "push", "build trigger: expected push, actual workflow_dispatch"),
        ("runner", "self-hosted", "runner environment: expected self-hosted, actual github-h"),
    ],
)
def test_each_claim_of_the_build_is_compared(v1, message_bundles, field, value, reason):
    expected = replace(v1.expected, **{field: value})
    with pytest.raises(NotVerified, match=reason):
        v1.verify(message_bundles["v1"], expected=expected)


def test_an_identity_alone_is_enough_where_it_is_all_that_was_asked(v1, message_bundles):
    expected = ExpectedSigner.exact(v1.expected.identity, v1.expected.issuer)
    verified = v1.verify(message_bundles["v1"], expected=expected)
    assert verified.steps[8].outcome == "identity, issuer"


def test_a_reusable_workflow_called_from_elsewhere_is_refused(v1, content):
    bundle = v1.sign(content, repository="rehearsal/somebody-else")
    with pytest.raises(NotVerified) as caught:
        v1.verify(bundle, content)
    assert "expected https://github.com/rehearsal/u2netp-mirror" in str(caught.value)


def parsed(bundle: bytes):
    return parse_bundle(bundle, "the bundle")


def with_body(bundle, **changes):
    return replace(bundle, entry=replace(bundle.entry, **changes))


def entry_checker(certificate, digest):
    """Check the entry of a bundle whose signature covers bytes of that digest."""
    algorithms = algorithms_of(certificate.key)

    def check(bundle):
        covered = bytes.fromhex(digest.hex)
        return check_entry(bundle, bundle.entry, certificate, algorithms, lambda _how: covered)

    return check


def test_an_entry_body_must_be_exactly_the_expected_document(v1, message_bundles, content):
    bundle, digest = parsed(message_bundles["v1"]), Sha256.of_bytes(content)
    certificate = open_certificate(bundle.certificate)
    check = entry_checker(certificate, digest)
    check(bundle)
    body = json.loads(bundle.entry.body)
    with pytest.raises(CannotVerify, match="the log entry's body is not valid JSON"):
        check(with_body(bundle, body=b"{"))
    for surplus in ({**body, "more": 1}, {**body, "spec": {**body["spec"], "more": 1}}):
        damaged = with_body(bundle, body=json.dumps(surplus).encode())
        with pytest.raises(NotVerified, match="members of the log entry's body"):
            check(damaged)
    for other in ({**body, "kind": "dsse"}, {**body, "spec": []}, {**body, "spec": None}):
        damaged = with_body(bundle, body=json.dumps(other).encode())
        with pytest.raises(NotVerified, match=r"the log entry's body\.\w+: expected"):
            check(damaged)


def test_both_forms_of_a_statements_entry_are_compared(v1, v2, statement_bundles):
    old, new = parsed(statement_bundles["v1"]), parsed(statement_bundles["v2"])
    for bundle in (old, new):
        certificate = open_certificate(bundle.certificate)
        check = entry_checker(certificate, Sha256.of_bytes(bundle.content.signed_bytes))
        check(bundle)
        damaged = replace(bundle, content=replace(bundle.content, signature=b"other"))
        with pytest.raises(NotVerified, match=r"the log entry's body.spec"):
            check(damaged)
    body = json.loads(old.entry.body)
    body["spec"]["signatures"] = []
    damaged = with_body(old, body=json.dumps(body).encode())
    with pytest.raises(NotVerified, match=r"spec\.signatures: expected"):
        entry_checker(open_certificate(old.certificate), Sha256("00" * 32))(damaged)


def relog_envelope(running, bundle: bytes) -> bytes:
    """Log a bundle's envelope as Rekor v2 did before version 2.3: whole, as kind dsse."""
    document = json.loads(bundle)
    certificate = material(document)["certificate"]
    verifier = {"x509Certificate": certificate, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}
    wanted = {"envelope": document["dsseEnvelope"], "verifiers": [verifier]}
    request = urllib.request.Request(  # noqa: S310
        f"{running.rekor.url}/api/v2/log/entries", json.dumps({"dsseRequestV002": wanted}).encode()
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        material(document)["tlogEntries"] = [json.load(answer)]
    return json.dumps(document).encode()


def test_the_early_entries_of_rekor_v2_for_statements_are_refused(v1, content):
    """sigstore-python and sigstore-java refuse them too."""
    signer_type = type(v1)
    with stack(rekor="v2", takes_envelopes=True) as running:
        signer = signer_type(running)
        bundle = signer.state(state_subject(content))
        assert signer.verify(bundle, content)
        early = relog_envelope(running, bundle)
        with pytest.raises(CannotVerify, match=r"log entries dsse 0\.0\.2 are not supported here"):
            signer.verify(early, content)
        assert not oracle_accepts(signer, early, content)


def test_a_signature_over_other_bytes_is_refused(message_bundles, statement_bundles):
    bundle = parsed(message_bundles["v1"])

    def check(bundle, hash_signed):
        certificate = open_certificate(bundle.certificate)
        cover = make_cover(bundle, hash_signed)
        check_signature(bundle, certificate, algorithms_of(certificate.key), cover)

    with pytest.raises(NotVerified, match="the signature over the file was not made"):
        check(bundle, lambda _name: bytes(32))
    with pytest.raises(NotVerified, match="signs a file, where a signed statement was expected"):
        check(bundle, None)
    bundle = parsed(statement_bundles["v1"])
    damaged = replace(bundle, content=replace(bundle.content, payload=b"other"))
    with pytest.raises(NotVerified, match="the signature over the statement"):
        check(damaged, None)


def test_without_any_time_nothing_is_verified(v1, message_bundles):
    bundle = replace(parsed(message_bundles["v1"]), timestamps=())
    (anchors,) = parse_roots(v1.root)
    with pytest.raises(NotVerified, match="nothing that is trusted says when"):
        signing_times((), None, bundle, anchors)


def test_a_ct_log_of_the_same_id_with_another_key_is_refused(v1, v2, message_bundles):
    document, other = json.loads(v1.stack.trusted_root), json.loads(v2.stack.trusted_root)
    document["ctlogs"][0]["publicKey"] = other["ctlogs"][0]["publicKey"]
    root = TrustedRoot(json.dumps(document).encode(), "forged")
    with pytest.raises(NotVerified, match="certificate timestamp is not signed by the CT log"):
        v1.verify(message_bundles["v1"], root=root)


def test_a_time_stamp_authority_may_list_more_certificates_than_it_needs(v1, message_bundles):
    document = json.loads(v1.stack.trusted_root)
    chain = document["timestampAuthorities"][0]["certChain"]["certificates"]
    chain[1:1] = 2 * document["certificateAuthorities"][0]["certChain"]["certificates"][:1]
    v1.verify(message_bundles["v1"], root=TrustedRoot(json.dumps(document).encode(), "longer"))


def test_a_panic_of_a_parser_is_a_refusal_and_a_wish_to_stop_is_not():
    class PanicException(BaseException):
        pass

    with pytest.raises(CannotVerify, match="it is malformed: PanicException"), reading("it"):
        raise PanicException
    with pytest.raises(KeyboardInterrupt), reading("it"):
        raise KeyboardInterrupt
