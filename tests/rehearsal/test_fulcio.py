"""Fulcio certifies who shows a good token and holds the key, and refuses everybody else."""

import base64
from datetime import timedelta

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from release_tool.core.errors import InputError
from release_tool.rehearsal.sigstore.extensions import make_extensions
from tests.standins.sigstore import start_whole_sigstore

ARC = "1.3.6.1.4.1.57264.1"
REPO = "https://github.com/rehearsal/u2netp-mirror"
WORKFLOW = f"{REPO}/.github/workflows/release.yml@refs/heads/main"
FOREIGN = rsa.generate_private_key(public_exponent=65537, key_size=2048)
BAD_TOKEN = "There was an error processing the identity token"
BAD_PROOF = "The signature supplied in the request could not be verified"


@pytest.fixture
def ask(stack_v1, web):
    """Return a function that asks for a certificate, with a good token unless one is given."""

    def ask(body, token=None, stack=stack_v1, **options):
        bearer = stack.make_identity_token() if token is None else token
        options.setdefault("headers", {"Authorization": f"Bearer {bearer}"})
        return web.post(f"{stack.urls['fulcio']}/api/v2/signingCert", json=body, **options)

    return ask


@pytest.fixture
def csr(make_csr, signing_key):
    return {"certificateSigningRequest": make_csr(signing_key)}


@pytest.fixture
def key_request(stack_v1):
    """Return a function that makes a request with a key and a signature over the subject."""

    def key_request(key, message=b"repo:rehearsal/u2netp-mirror:ref:refs/heads/main", digest=None):
        match key:
            case ed25519.Ed25519PrivateKey():
                proof = key.sign(message)
            case rsa.RSAPrivateKey():
                proof = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
            case ec.EllipticCurvePrivateKey():
                own = hashes.SHA384() if key.key_size == 384 else hashes.SHA256()
                proof = key.sign(message, ec.ECDSA(digest or own))
            case _:
                proof = key.sign(message, hashes.SHA256())
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {
            "publicKeyRequest": {
                "publicKey": {"algorithm": "ECDSA", "content": pem.decode()},
                "proofOfPossession": base64.b64encode(proof).decode(),
            }
        }

    return key_request


def extension(certificate, number):
    return certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(f"{ARC}.{number}"))


def test_the_certificate_carries_every_github_extension(leaf, stack_v1):
    claims = jwt.decode(stack_v1.make_identity_token(), options={"verify_signature": False})
    raw = {
        1: "https://token.actions.githubusercontent.com",
        2: "workflow_dispatch",
        3: claims["sha"],
        4: ".github/workflows/release.yml",
        5: "rehearsal/u2netp-mirror",
        6: "refs/heads/main",
    }
    encoded = {
        8: "https://token.actions.githubusercontent.com",
        9: WORKFLOW,
        10: claims["sha"],
        11: "github-hosted",
        12: REPO,
        13: claims["sha"],
        14: "refs/heads/main",
        15: claims["repository_id"],
        16: "https://github.com/rehearsal",
        17: claims["repository_owner_id"],
        18: WORKFLOW,
        19: claims["sha"],
        20: "workflow_dispatch",
        21: f"{REPO}/actions/runs/1/attempts/1",
        22: "public",
    }
    for number, text in raw.items():
        assert extension(leaf, number).value.value == text.encode()
    for number, text in encoded.items():
        value = extension(leaf, number).value.value
        assert value[0] == 0x0C
        assert value[-len(text) :] == text.encode()
    ours = [one for one in leaf.extensions if one.oid.dotted_string.startswith(ARC)]
    assert len(ours) == len(raw) + len(encoded)
    assert not any(one.critical for one in ours)


def test_a_deployment_environment_is_written_too(issue, signing_key):
    leaf = issue(signing_key, environment="production")[0]
    assert extension(leaf, 23).value.value == b"\x0c\x0aproduction"


def test_a_reusable_workflow_is_the_identity_and_its_caller_the_source(issue, signing_key):
    called = "elsewhere/tools/.github/workflows/sign.yml@refs/tags/v1"
    leaf = issue(signing_key, job_workflow_ref=called)[0]
    name = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (identity,) = name.get_values_for_type(x509.UniformResourceIdentifier)
    assert identity == f"https://github.com/{called}"
    assert extension(leaf, 12).value.value.endswith(REPO.encode())
    assert extension(leaf, 18).value.value.endswith(WORKFLOW.encode())


def test_the_certificate_has_sigstore_s_profile(issue, signing_key):
    leaf, intermediate, root = issue(signing_key)
    assert leaf.subject == x509.Name([])
    name = leaf.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    assert name.critical
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CODE_SIGNING]
    assert leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(minutes=10)
    leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)
    names = [
        one.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        for one in (intermediate, root)
    ]
    assert all("rehearsal" in one and "trust nothing" in one for one in names)
    assert names[1] == "release-tool rehearsal root: trust nothing"


def test_the_poison_stays_in_the_log(leaf):
    with pytest.raises(x509.ExtensionNotFound):
        leaf.extensions.get_extension_for_class(x509.PrecertPoison)


@pytest.mark.parametrize(
    "make_key",
    [
        lambda: ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate,
        lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    ],
)
def test_both_proofs_of_possession_do_for_every_kind_of_key(ask, key_request, make_csr, make_key):
    key = make_key()
    for body in (key_request(key), {"certificateSigningRequest": make_csr(key)}):
        answer = ask(body)
        assert answer.status_code == 200, answer.text
        pem = answer.json()["signedCertificateEmbeddedSct"]["chain"]["certificates"][0]
        assert x509.load_pem_x509_certificate(pem.encode()).public_key() == key.public_key()


def test_a_key_signs_with_the_digest_of_its_curve_alone(ask, key_request, make_csr):
    key = ec.generate_private_key(ec.SECP384R1())
    answer = ask(key_request(key, digest=hashes.SHA256()))
    assert (answer.status_code, answer.json()["message"]) == (400, BAD_PROOF)
    answer = ask({"certificateSigningRequest": make_csr(key, hashes.SHA256())})
    assert answer.status_code == 400
    assert answer.json()["message"] == "signing algorithm not permitted: sha256"


def test_the_token_may_stand_in_the_body(ask, csr, stack_v1):
    token = {"oidcIdentityToken": stack_v1.make_identity_token()}
    assert ask(csr | {"credentials": token}, headers={}).status_code == 200


@pytest.mark.parametrize("credentials", [{}, {"credentials": {"oidcIdentityToken": 7}}])
def test_without_a_token_there_is_no_certificate(ask, csr, credentials):
    answer = ask(csr | credentials, headers={})
    assert answer.status_code == 400
    assert "credentials" in answer.json()["message"]


@pytest.mark.parametrize(
    "overrides",
    [
        {"aud": "other"},
        {"aud": ["other", "another"]},
        {"aud": None},
        {"iss": "https://issuer.example"},
        {"exp": 1},
        {"exp": None},
        {"exp": True},
        {"nbf": 1 << 40},
        {"job_workflow_ref": None},
        {"job_workflow_ref": 7},
        {"repository": ""},
        {"run_id": None},
    ],
)
def test_a_token_that_claims_wrongly_is_refused(ask, csr, stack_v1, overrides):
    answer = ask(csr, stack_v1.make_identity_token(**overrides))
    assert answer.status_code == 400
    assert answer.json() == {"code": 3, "message": BAD_TOKEN, "details": []}


@pytest.mark.parametrize(
    ("key", "algorithm", "changed"),
    [
        (FOREIGN, "RS256", {}),
        (FOREIGN, "RS256", {"kid": "another"}),
        (FOREIGN, "RS256", {"kid": None}),
        ("s" * 32, "HS256", {}),
        (None, "none", {}),
    ],
)
def test_a_token_of_another_key_is_refused(ask, csr, stack_v1, key, algorithm, changed):
    token = stack_v1.make_identity_token()
    claims = jwt.decode(token, options={"verify_signature": False})
    headers = {"kid": jwt.get_unverified_header(token)["kid"]} | changed
    kept = {name: text for name, text in headers.items() if text is not None}
    answer = ask(csr, jwt.encode(claims, key, algorithm, kept))
    assert (answer.status_code, answer.json()["message"]) == (400, BAD_TOKEN)


@pytest.mark.parametrize("token", ["a.b", "a.b.c.d", "!.a.b", "e30.W10.eA", 20000 * "a" + ".b.c"])
def test_what_is_no_token_is_refused(ask, csr, token):
    answer = ask(csr, token)
    assert (answer.status_code, answer.json()["message"]) == (400, BAD_TOKEN)


def test_a_token_with_a_flipped_claim_is_refused(ask, csr, stack_v1):
    head, claims, signature = stack_v1.make_identity_token().split(".")
    flipped = claims[:20] + ("A" if claims[20] != "A" else "B") + claims[21:]
    answer = ask(csr, f"{head}.{flipped}.{signature}")
    assert (answer.status_code, answer.json()["message"]) == (400, BAD_TOKEN)


def test_a_token_for_several_audiences_does_if_sigstore_is_one(ask, csr, stack_v1):
    assert ask(csr, stack_v1.make_identity_token(aud=["other", "sigstore"])).status_code == 200


def test_a_token_expires_by_the_clock_that_was_passed_in(web, clock, ask, csr):
    with start_whole_sigstore(clock=clock) as stack:
        token = stack.make_identity_token()
        assert ask(csr, token, stack).status_code == 200
        clock.ahead = timedelta(minutes=6)
        assert ask(csr, token, stack).json()["message"] == BAD_TOKEN


def test_a_signing_request_signed_with_another_key_is_refused(ask, make_csr, signing_key):
    der = x509.load_pem_x509_csr(base64.b64decode(make_csr(signing_key))).public_bytes(Encoding.DER)
    damaged = base64.b64encode(der[:-1] + bytes((der[-1] ^ 1,)))
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n%b\n-----END CERTIFICATE REQUEST-----\n" % damaged
    answer = ask({"certificateSigningRequest": base64.b64encode(pem).decode()})
    assert (answer.status_code, answer.json()["message"]) == (400, BAD_PROOF)


def test_a_signature_over_another_subject_proves_nothing(ask, key_request, signing_key):
    answer = ask(key_request(signing_key, b"repo:rehearsal/other:ref:refs/heads/main"))
    assert (answer.status_code, answer.json()["message"]) == (400, BAD_PROOF)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"certificateSigningRequest": "!"},
        {"certificateSigningRequest": 7},
        {"certificateSigningRequest": base64.b64encode(b"no request").decode()},
        {"publicKeyRequest": {}},
        {"publicKeyRequest": {"publicKey": {"content": "no key"}}},
        {"publicKeyRequest": 7},
    ],
)
def test_a_request_without_proof_of_possession_is_refused(ask, body):
    answer = ask(body)
    assert answer.status_code == 400
    assert answer.json()["code"] == 3


@pytest.mark.parametrize(
    "make_key",
    [
        lambda: ec.generate_private_key(ec.SECP256K1()),
        lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),  # noqa: S505
    ],
)
def test_weak_and_exotic_keys_are_not_certified(ask, key_request, make_key):
    answer = ask(key_request(make_key()))
    assert answer.status_code == 400
    assert "insecure" in answer.json()["message"]


def test_a_key_that_cannot_sign_so_is_refused(ask, key_request):
    answer = ask(key_request(dsa.generate_private_key(1024)))  # noqa: S505
    assert (answer.status_code, answer.json()["message"]) == (400, BAD_PROOF)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"a":1,"a":2}', b"[" * 1000, b"\xff"])
def test_malformed_json_is_refused(web, stack_v1, content):
    answer = web.post(f"{stack_v1.urls['fulcio']}/api/v2/signingCert", content=content)
    assert answer.status_code == 400
    assert answer.json()["code"] == 3


def test_a_body_too_large_is_refused(web, stack_v1):
    url = f"{stack_v1.urls['fulcio']}/api/v2/signingCert"
    assert web.post(url, content=b" " * 2**21).status_code == 413


def test_the_trust_bundle_and_the_configuration_are_published(web, stack_v1, leaf):
    bundle = web.get(f"{stack_v1.urls['fulcio']}/api/v2/trustBundle").json()
    (chain,) = bundle["chains"]
    first = x509.load_pem_x509_certificate(chain["certificates"][0].encode())
    leaf.verify_directly_issued_by(first)
    configuration = web.get(f"{stack_v1.urls['fulcio']}/api/v2/configuration").json()
    assert configuration["issuers"][0]["audience"] == "sigstore"


def test_a_missing_claim_is_named():
    with pytest.raises(InputError, match="misses the claim iss"):
        make_extensions({})


def test_a_key_of_an_unknown_algorithm_is_refused(ask, unknown_key):
    encoded = base64.b64encode(unknown_key)
    pem = b"-----BEGIN PUBLIC KEY-----\n%b\n-----END PUBLIC KEY-----\n" % encoded
    answer = ask({"publicKeyRequest": {"publicKey": {"content": pem.decode()}}})
    assert answer.status_code == 400
    assert "could not be parsed" in answer.json()["message"]
