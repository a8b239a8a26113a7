"""sigstore-python signs against the stack and believes the result, and only the good ones."""

import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from sigstore.errors import VerificationError
from sigstore.models import Bundle, ClientTrustConfig, TrustedRoot
from sigstore.verify import Verifier, policy

from release_tool.rehearsal.stack import start_sigstore
from tests.standins.sigstore import Window, make_trusted_root, start_whole_sigstore


@pytest.fixture
def open_verifier(tmp_path):
    def open_verifier(trusted_root):
        path = tmp_path / "trusted_root.json"
        path.write_bytes(trusted_root)
        return Verifier(trusted_root=TrustedRoot.from_file(str(path)))

    return open_verifier


@pytest.fixture
def expected():
    def expected(stack):
        return policy.AllOf(
            [
                policy.Identity(identity=stack.identity, issuer=stack.issuer),
                policy.OIDCSourceRepositoryURI("https://github.com/rehearsal/u2netp-mirror"),
                policy.GitHubWorkflowTrigger("workflow_dispatch"),
            ]
        )

    return expected


@pytest.fixture
def signed(stack, open_signer, artifact, statement):
    with open_signer(stack) as signer:
        bundles = signer.sign_artifact(artifact), signer.sign_dsse(statement)
    return tuple(Bundle.from_json(bundle.to_json()) for bundle in bundles)


def test_a_signed_artifact_is_verified(stack, signed, open_verifier, expected, artifact):
    verifier = open_verifier(stack.trusted_root)
    verifier.verify_artifact(artifact, signed[0], expected(stack))
    with pytest.raises(VerificationError):
        verifier.verify_artifact(artifact + b"!", signed[0], expected(stack))
    with pytest.raises(VerificationError):
        wrong = policy.Identity(identity=f"{stack.identity}x", issuer=stack.issuer)
        verifier.verify_artifact(artifact, signed[0], wrong)


def test_a_signed_statement_is_verified(stack, signed, open_verifier, expected):
    verifier = open_verifier(stack.trusted_root)
    kind, payload = verifier.verify_dsse(signed[1], expected(stack))
    assert kind == "application/vnd.in-toto+json"
    assert json.loads(payload)["subject"][0]["name"] == "model.onnx"


def test_each_version_of_rekor_gives_its_own_evidence(stack, signed):
    entry = signed[0].log_entry._inner
    assert len(signed[0].verification_material.timestamp_verification_data.rfc3161_timestamps) == 1
    if stack.rekor.api_version == 1:
        assert entry.kind_version.version == "0.0.1"
        assert entry.inclusion_promise
        assert abs(entry.integrated_time - datetime.now(UTC).timestamp()) < 60
    else:
        assert entry.kind_version.version == "0.0.2"
        assert entry.inclusion_promise is None


def test_what_was_signed_is_verified_when_everything_has_stopped(
    open_signer, open_verifier, expected, artifact
):
    with start_sigstore() as stack, open_signer(stack) as signer:
        bundle = signer.sign_artifact(artifact)
        trusted_root, wanted = stack.trusted_root, expected(stack)
    open_verifier(trusted_root).verify_artifact(artifact, bundle, wanted)


def test_two_stacks_share_no_key_and_do_not_believe_each_other(
    stack_v1, stack_v2, open_signer, open_verifier, expected, artifact
):
    with start_sigstore() as other:
        roots = [json.loads(one.trusted_root) for one in (stack_v1, stack_v2, other)]
        urls = [set(one.urls.values()) for one in (stack_v1, stack_v2, other)]
        keys = [set(find_raw_bytes(root)) for root in roots]
        assert all(len(one) == 6 for one in keys)
        assert len(set.union(*keys)) == 18
        assert len(set.union(*urls)) == 12
        with open_signer(other) as signer:
            bundle = signer.sign_artifact(artifact)
    with pytest.raises(VerificationError):
        open_verifier(stack_v1.trusted_root).verify_artifact(artifact, bundle, expected(stack_v1))


def find_raw_bytes(value):
    if isinstance(value, dict):
        if "rawBytes" in value:
            yield value["rawBytes"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from find_raw_bytes(one)


def test_every_service_listens_on_loopback_on_a_port_of_its_own(stack):
    places = [urlsplit(url) for url in stack.urls.values()]
    assert {place.hostname for place in places} == {"127.0.0.1"}
    assert len({place.port for place in places}) == len(places)


def test_the_trust_config_names_every_service_with_an_operator(stack):
    config = json.loads(stack.trust_config)
    assert config["trustedRoot"] == json.loads(stack.trusted_root)
    signing = config["signingConfig"]
    assert signing["mediaType"].endswith("signingconfig.v0.2+json")
    for name in ("caUrls", "oidcUrls", "rekorTlogUrls", "tsaUrls"):
        (service,) = signing[name]
        assert service["operator"] == "release-tool rehearsal"
    assert signing["rekorTlogUrls"][0]["majorApiVersion"] == stack.rekor.api_version
    assert ClientTrustConfig.from_json(stack.trust_config.decode()).signing_config.get_tsas()


def test_a_trusted_root_is_one_line_as_readers_of_json_lines_need_it(stack):
    assert stack.trusted_root.endswith(b"}\n")
    assert stack.trusted_root.count(b"\n") == 1


def test_a_signature_after_the_certificate_has_expired_is_refused(
    clock, open_signer, open_verifier, expected, artifact
):
    with start_sigstore(clock=clock) as stack, open_signer(stack) as signer:
        clock.ahead = timedelta(hours=1)
        bundle = signer.sign_artifact(artifact)
        with pytest.raises(VerificationError):
            open_verifier(stack.trusted_root).verify_artifact(artifact, bundle, expected(stack))


def test_a_timestamp_outside_the_authority_s_window_does_not_count(
    stack_v2, open_signer, open_verifier, expected, artifact
):
    with open_signer(stack_v2) as signer:
        bundle = signer.sign_artifact(artifact)
    now = datetime.now(UTC)
    past = Window(now - timedelta(days=2), now - timedelta(days=1))
    with pytest.raises(VerificationError, match="not enough sources of verified time"):
        open_verifier(make_trusted_root(stack_v2, tsa=past)).verify_artifact(
            artifact, bundle, expected(stack_v2)
        )


@pytest.mark.parametrize("part", ["tlog", "ca", "ctlog", "tsa"])
def test_each_window_of_a_trusted_root_can_be_moved(stack_v1, part):
    window = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC))
    text = make_trusted_root(stack_v1, **{part: window}).decode()
    assert text.count('"end": "2021-01-01T00:00:00Z"') == 1
    assert text.count('"start": "2020-01-01T00:00:00Z"') == 1


def test_a_certificate_without_an_sct_is_noticed_by_the_signer(open_signer):
    with (
        start_whole_sigstore(without_sct=True) as stack,
        pytest.raises(VerificationError, match="signed certificate timestamp"),
        open_signer(stack),
    ):
        pass


def test_a_failing_timestamp_authority_leaves_a_bundle_without_a_timestamp(
    open_signer, artifact, caplog
):
    caplog.set_level(logging.CRITICAL)
    with start_whole_sigstore(failing_tsa=True) as stack, open_signer(stack) as signer:
        bundle = signer.sign_artifact(artifact)
    assert bundle.verification_material.timestamp_verification_data is None


def test_nothing_is_left_running():
    before = set(threading.enumerate())
    with start_sigstore() as stack:
        assert len(set(threading.enumerate()) - before) == len(stack.urls)
    assert set(threading.enumerate()) == before
