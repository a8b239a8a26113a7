"""The issuer speaks as GitHub Actions does, to the job and to whoever checks its tokens."""

import jwt
import pytest
from sigstore.oidc import IdentityToken, detect_credential

from release_tool.core.documents import parse_json_object
from release_tool.core.errors import InputError, UsageError
from release_tool.rehearsal.sigstore.claims import Claims
from tests.standins.sigstore import start_whole_sigstore

GITHUB = "https://token.actions.githubusercontent.com"


def read_claims(token):
    return jwt.decode(token, options={"verify_signature": False})


@pytest.fixture
def key_set(stack_v1, web):
    return jwt.PyJWKSet.from_dict(web.get(f"{stack_v1.urls['oidc']}/.well-known/jwks").json())


@pytest.fixture
def token_url(stack_v1):
    return stack_v1.actions_environment()["ACTIONS_ID_TOKEN_REQUEST_URL"]


@pytest.fixture
def bearer(stack_v1):
    return stack_v1.actions_environment()["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]


def test_a_token_is_signed_and_claims_what_github_claims(stack_v1, key_set):
    token = stack_v1.make_identity_token()
    key = key_set[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, ["RS256"], audience="sigstore", issuer=GITHUB)
    assert claims["sub"] == "repo:rehearsal/u2netp-mirror:ref:refs/heads/main"
    assert claims["exp"] - claims["iat"] == 300
    assert f"https://github.com/{claims['job_workflow_ref']}" == stack_v1.identity
    assert claims.keys() >= set(
        "repository repository_id repository_owner repository_owner_id ref sha workflow "
        "workflow_ref workflow_sha job_workflow_sha event_name runner_environment run_id "
        "run_attempt repository_visibility nbf jti".split()
    )
    assert claims["repository_owner"] == "rehearsal"


def test_sigstore_finds_the_credential_in_the_environment_of_the_job(stack_v1, monkeypatch):
    for name, text in stack_v1.actions_environment().items():
        monkeypatch.setenv(name, text)
    token = detect_credential()
    assert token is not None
    assert IdentityToken(token).federated_issuer == GITHUB


def test_the_environment_and_the_token_say_the_same(stack_v1):
    environment = stack_v1.actions_environment()
    claims = read_claims(stack_v1.make_identity_token())
    for name in "repository ref sha workflow workflow_ref run_id run_attempt event_name".split():
        assert environment[f"GITHUB_{name.upper()}"] == claims[name]
    assert environment["RUNNER_ENVIRONMENT"] == claims["runner_environment"]
    assert environment["GITHUB_ACTIONS"] == "true"
    assert environment["GITHUB_REF_NAME"] == "main"


def test_the_audience_is_the_one_that_is_asked_for(web, token_url, bearer):
    for asked, expected in ({"audience": "other"}, "other"), ({}, "https://github.com/rehearsal"):
        answer = web.get(
            with_query(token_url, **asked), headers={"Authorization": f"bearer {bearer}"}
        ).json()
        assert answer["count"] == len(answer["value"])
        assert read_claims(answer["value"])["aud"] == expected


def with_query(url, **parameters):
    return "&".join([url, *(f"{name}={text}" for name, text in parameters.items())])


@pytest.mark.parametrize(
    "header", ["", "bearer wrong", "basic {bearer}", "bearer", "bearer \u00e9"]
)
def test_a_job_without_the_request_token_gets_none(web, token_url, bearer, header):
    sent = header.format(bearer=bearer).encode()
    answer = web.get(token_url, headers={"Authorization": sent} if sent else {})
    assert answer.status_code == 401
    assert "value" not in answer.json()


def test_discovery_leads_to_the_keys_under_github_s_name(stack_v1, web):
    discovery = web.get(f"{stack_v1.urls['oidc']}/.well-known/openid-configuration").json()
    assert discovery["issuer"] == stack_v1.issuer == GITHUB
    assert web.get(discovery["jwks_uri"]).json()["keys"][0]["alg"] == "RS256"


def test_claims_can_be_overridden_and_left_out(stack_v1):
    token = stack_v1.make_identity_token(ref="refs/tags/v1", workflow=None)
    claims = read_claims(token)
    assert claims["ref"] == "refs/tags/v1"
    assert "workflow" not in claims


def test_other_claims_give_another_identity():
    claims = Claims.of(
        "rehearsal/other",
        workflow="cut.yaml",
        ref="refs/tags/v1.0",
        sha="a" * 40,
        event="push",
        environment="production",
    )
    assert claims.identity == (
        "https://github.com/rehearsal/other/.github/workflows/cut.yaml@refs/tags/v1.0"
    )
    token = claims.to_token()
    assert token["sub"] == "repo:rehearsal/other:environment:production"
    assert token["environment"] == "production"
    assert claims.to_environment()["GITHUB_REF_TYPE"] == token["ref_type"] == "tag"
    with start_whole_sigstore(claims=claims) as stack:
        assert stack.identity == claims.identity


@pytest.mark.parametrize(
    "bad",
    [
        {"workflow": "../release.yml"},
        {"workflow": "release.txt"},
        {"ref": "main"},
        {"event": "Push it"},
        {"repo": "no-slash"},
    ],
)
def test_claims_that_github_would_not_make_are_refused(bad):
    with pytest.raises(UsageError):
        Claims.of(**({"repo": "rehearsal/x"} | bad))
    with pytest.raises(InputError):
        Claims.of("rehearsal/x", sha="abc")


def test_no_key_of_a_token_is_ever_printed(stack_v1, bearer):
    assert bearer not in repr(stack_v1)
    assert parse_json_object(stack_v1.trust_config, "trust config")
    assert bearer.encode() not in stack_v1.trust_config
