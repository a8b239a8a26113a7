"""Signing against a real, local Sigstore, and what is said when it refuses."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import requests
from sigstore._internal.fulcio.client import FulcioClientError
from sigstore.errors import Error
from sigstore.models import Bundle
from sigstore.models import TrustedRoot as LibraryRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity as LibraryIdentity
from sigstore_models.trustroot import v1 as trustroot_v1

from release_tool.core.artifact import Artifact
from release_tool.core.documents import encode_json
from release_tool.core.errors import SigningError, TryAgain
from release_tool.core.patience import Away
from release_tool.provenance.statement import (
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    Builder,
    Statement,
)
from release_tool.rehearsal.stack import SigstoreStack, start_sigstore
from release_tool.sigstore.sign.services import make_patience, refusals
from release_tool.sigstore.sign.session import open_session
from release_tool.sigstore.sign.token import NoIdentity, check_builder, open_identity
from release_tool.sigstore.trust.instance import SigstoreInstance
from release_tool.sigstore.trust.signer import GITHUB_ISSUER
from tests.standins.sigstore import start_whole_sigstore

CONTENT = b"a model"
ARTIFACT = Artifact.of_bytes("model.onnx", CONTENT)
STATEMENT = Statement.parse(
    encode_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": "model.onnx", "digest": {"sha256": ARTIFACT.digest.hex}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {},
        }
    )
)


def instance_of(stack: SigstoreStack) -> SigstoreInstance:
    return SigstoreInstance(stack.trust_config, "the rehearsal")


def library_verifier(stack: SigstoreStack) -> Verifier:
    return Verifier(
        trusted_root=LibraryRoot(trustroot_v1.TrustedRoot.from_json(stack.trusted_root))
    )


def library_policy(stack: SigstoreStack) -> LibraryIdentity:
    return LibraryIdentity(identity=stack.identity, issuer=stack.issuer)


@pytest.mark.parametrize("rekor", ["v1", "v2"])
def test_artifact_and_statement_are_signed_so_that_sigstore_python_accepts_both(rekor):
    with start_sigstore(rekor=rekor) as stack:
        identity = open_identity(instance_of(stack), stack.make_identity_token(), interactive=False)
        with open_session(instance_of(stack), identity) as session:
            bundle = session.sign_artifact(ARTIFACT)
            provenance = session.sign_statement(STATEMENT.payload)
        verifier, policy = library_verifier(stack), library_policy(stack)
        verifier.verify_artifact(CONTENT, Bundle.from_json(bundle), policy)
        kind, payload = verifier.verify_dsse(Bundle.from_json(provenance), policy)
    assert kind == "application/vnd.in-toto+json"
    assert payload == STATEMENT.payload


def test_the_expected_signer_is_the_workflow_and_not_the_subject(sigstore: SigstoreStack):
    identity = open_identity(
        instance_of(sigstore), sigstore.make_identity_token(), interactive=False
    )
    assert identity.signer.identity == sigstore.identity
    assert identity.signer.issuer == GITHUB_ISSUER
    assert str(identity.signer.repo) == "rehearsal/u2netp-mirror"
    assert identity.signer.ref == "refs/heads/main"


def test_a_person_is_expected_by_the_tokens_own_identity(sigstore: SigstoreStack):
    token = sigstore.make_identity_token(iss="https://accounts.example.org")
    identity = open_identity(instance_of(sigstore), token, interactive=False)
    assert identity.signer.issuer == "https://accounts.example.org"
    assert identity.signer.repo is None


def test_a_token_never_shows_in_a_repr(sigstore: SigstoreStack):
    token = sigstore.make_identity_token()
    identity = open_identity(instance_of(sigstore), token, interactive=False)
    assert token not in repr(identity)
    assert "by https://token.actions" in repr(identity)


def test_the_ambient_identity_of_actions_is_found(
    sigstore: SigstoreStack, monkeypatch: pytest.MonkeyPatch
):
    for name, value in sigstore.actions_environment().items():
        monkeypatch.setenv(name, value)
    identity = open_identity(instance_of(sigstore), None, interactive=False)
    assert identity.signer.identity == sigstore.identity


def test_actions_without_permission_is_told_which(monkeypatch: pytest.MonkeyPatch, sigstore):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", raising=False)
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL", raising=False)
    with pytest.raises(SigningError) as caught:
        open_identity(instance_of(sigstore), None, interactive=False)
    assert "id-token: write" in str(caught.value.hint)


@pytest.fixture
def no_ambient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_ambient")
def test_without_any_identity_the_ways_to_one_are_told(sigstore: SigstoreStack):
    with pytest.raises(SigningError, match="no signing identity") as caught:
        open_identity(instance_of(sigstore), None, interactive=False)
    assert "--identity-token" in str(caught.value.hint)


@pytest.mark.usefixtures("no_ambient")
@pytest.mark.parametrize("variable", ["GITLAB_CI", "BUILDKITE", "CIRCLECI"])
def test_in_a_ci_whose_identities_we_cannot_foretell_the_ways_that_work_are_told(
    sigstore: SigstoreStack, monkeypatch: pytest.MonkeyPatch, variable: str
):
    monkeypatch.setenv(variable, "true")
    with pytest.raises(NoIdentity, match="no signing identity that works in") as caught:
        open_identity(instance_of(sigstore), None, interactive=False)
    assert "mail address" in str(caught.value.hint)
    # What is given by hand is taken there as well.
    token = sigstore.make_identity_token()
    assert open_identity(instance_of(sigstore), token, interactive=False).issuer == GITHUB_ISSUER


@pytest.mark.parametrize(
    "issuer",
    ["https://gitlab.com", "https://agent.buildkite.com", "https://oidc.circleci.com/org/1"],
)
def test_their_tokens_are_refused_before_anything_is_signed(sigstore, issuer: str):
    token = sigstore.make_identity_token(iss=issuer)
    with pytest.raises(SigningError, match=r"tokens of \w+( CI)? are not supported"):
        open_identity(instance_of(sigstore), token, interactive=False)


def test_a_workflow_signs_for_no_build_that_ran_elsewhere(sigstore: SigstoreStack):
    identity = open_identity(
        instance_of(sigstore), sigstore.make_identity_token(), interactive=False
    )
    check_builder(identity, Builder.from_environment(sigstore.actions_environment()).id)
    for environment in ({}, {**sigstore.actions_environment(), "GITHUB_WORKFLOW_REF": "a/b"}):
        with pytest.raises(SigningError, match=r"release\.yml@refs/heads/main, and the builder"):
            check_builder(identity, Builder.from_environment(environment).id)


def test_a_person_signs_for_any_build(sigstore: SigstoreStack):
    token = sigstore.make_identity_token(iss="https://issuer.test", sub="somebody")
    identity = open_identity(instance_of(sigstore), token, interactive=False)
    check_builder(identity, Builder.from_environment({}).id)


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJ.eyJ.e"])
def test_what_is_no_token_is_refused(sigstore: SigstoreStack, token: str):
    with pytest.raises(SigningError, match="the signing identity was refused") as caught:
        open_identity(instance_of(sigstore), token, interactive=False)
    assert "audience is sigstore" in str(caught.value.hint)


def test_an_expired_token_is_refused(sigstore: SigstoreStack):
    past = int((datetime.now(UTC) - timedelta(hours=1)).timestamp())
    token = sigstore.make_identity_token(iat=past - 60, nbf=past - 60, exp=past)
    with pytest.raises(SigningError, match="was refused"):
        open_identity(instance_of(sigstore), token, interactive=False)


def test_a_token_for_somebody_else_is_refused(sigstore: SigstoreStack):
    with pytest.raises(SigningError, match="was refused"):
        open_identity(
            instance_of(sigstore), sigstore.make_identity_token(aud="other"), interactive=False
        )


def test_a_person_is_sent_to_the_issuer_that_the_instance_names(sigstore: SigstoreStack):
    document = json.loads(sigstore.trust_config)
    document["signingConfig"]["oidcUrls"] = []
    silent = SigstoreInstance(encode_json(document), "no issuer")
    with pytest.raises(SigningError, match="names no OIDC issuer"):
        open_identity(silent, None, interactive=True)


def test_an_issuer_that_is_away_is_worth_another_try(sigstore: SigstoreStack):
    document = json.loads(sigstore.trust_config)
    for service in document["signingConfig"]["oidcUrls"]:
        service["url"] = "http://127.0.0.1:1"
    away = SigstoreInstance(encode_json(document), "away")
    with pytest.raises(TryAgain, match="issuer cannot be reached"):
        open_identity(away, None, interactive=True)


def test_a_token_of_another_instance_is_refused_by_fulcio_with_its_answer(
    sigstore: SigstoreStack,
):
    with start_sigstore() as other:
        token = other.make_identity_token()
    identity = open_identity(instance_of(sigstore), token, interactive=False)
    with (
        pytest.raises(SigningError, match=r"127\.0\.0\.1:\d+ answered 4\d\d") as caught,
        open_session(instance_of(sigstore), identity),
    ):
        pass
    assert token not in str(caught.value)


def test_a_failing_timestamp_authority_is_an_error_and_leaves_nothing_in_the_log():
    with start_whole_sigstore(failing_tsa=True) as stack:
        identity = open_identity(instance_of(stack), stack.make_identity_token(), interactive=False)
        with (
            open_session(instance_of(stack), identity, make_patience(seconds=0)) as session,
            pytest.raises(TryAgain, match=r"the time stamp: 127\.0\.0\.1:\d+ answered 500"),
        ):
            session.sign_artifact(ARTIFACT)
        assert not stack.rekor.entries


def test_services_that_are_away_are_worth_another_try(sigstore: SigstoreStack):
    with start_sigstore() as stack:
        token, config = stack.make_identity_token(), stack.trust_config
    gone = SigstoreInstance(config, "gone")
    identity = open_identity(gone, token, interactive=False)
    with (
        pytest.raises(TryAgain, match=r"cannot be reached: 127\.0\.0\.1:\d+"),
        open_session(gone, identity, make_patience(seconds=0)),
    ):
        pass


def answer(status: int, text: str) -> Exception:
    response = requests.Response()
    response.status_code, response.url = status, "https://fulcio.example/api"
    response._content = text.encode()
    error = FulcioClientError()
    error.__cause__ = requests.HTTPError(response=response)
    return error


@pytest.mark.parametrize(
    ("status", "kind"), [(400, SigningError), (429, TryAgain), (503, TryAgain)]
)
def test_the_answer_behind_an_empty_error_is_told(status: int, kind: type[Exception]):
    with (
        pytest.raises(kind, match=f"fulcio.example answered {status}: no good"),
        refusals("it", 0.0),
    ):
        raise answer(status, "no\n good")


def test_a_token_in_an_answer_is_not_repeated():
    token = f"{'a' * 20}.{'b' * 20}.{'c' * 20}"
    with pytest.raises(SigningError, match=r"\[token\]") as caught, refusals("it", 0.0):
        raise answer(400, f"bad token {token}")
    assert token not in str(caught.value)


@pytest.mark.parametrize("error", [FulcioClientError("chain"), Error("sct"), KeyError("x")])
def test_nonsense_from_a_service_is_a_signing_error(error: Exception):
    with pytest.raises(SigningError), refusals("it", 0.0):
        raise error


def test_a_network_failure_without_a_request_is_still_told():
    with pytest.raises(TryAgain, match="ConnectionError"), refusals("it", 0.0):
        raise requests.ConnectionError


def test_what_waiting_does_not_mend_is_not_waited_for():
    """A certificate that is not believed is no outage, and neither is an answer that is no JSON."""
    with pytest.raises(TryAgain, match="no secure connection") as caught, refusals("it", 0.0):
        raise requests.exceptions.SSLError("certificate verify failed")
    assert not isinstance(caught.value, Away)
    assert "REQUESTS_CA_BUNDLE" in str(caught.value.hint)
    with pytest.raises(SigningError, match="answered nonsense"), refusals("it", 0.0):
        raise requests.exceptions.JSONDecodeError("Expecting value", "<html>", 0)


def test_without_patience_each_service_is_asked_once_and_given_its_time():
    patience, asked = make_patience(seconds=0), []

    def fail() -> None:
        asked.append(patience.allowed_seconds)
        raise Away("not here")

    with pytest.raises(Away, match=r"^not here$"):
        patience.outlast(fail)
    assert asked == [30.0]
