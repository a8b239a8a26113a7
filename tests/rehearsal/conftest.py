"""Running stand-ins, clients that share no code with them, and a clock that a test can move."""

import base64
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from sigstore.dsse import DigestSet, StatementBuilder, Subject
from sigstore.models import ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import SigningContext

from tests.standins.sigstore import start_whole_sigstore

ARTIFACT = b"the bytes of a model"


@pytest.fixture(scope="session", autouse=True)
def _no_proxy():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


class MovableClock:
    """A clock that runs with the system's, ahead of it by as much as a test says."""

    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture(scope="session")
def stack_v1():
    with start_whole_sigstore() as stack:
        yield stack


@pytest.fixture(scope="session")
def stack_v2():
    with start_whole_sigstore(rekor="v2") as stack:
        yield stack


@pytest.fixture(params=["v1", "v2"])
def stack(request):
    return request.getfixturevalue(f"stack_{request.param}")


@pytest.fixture(scope="session")
def web():
    with httpx.Client(trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def artifact():
    return ARTIFACT


@pytest.fixture(scope="session")
def statement():
    digest = hashes.Hash(hashes.SHA256())
    digest.update(ARTIFACT)
    subject = Subject(name="model.onnx", digest=DigestSet(root={"sha256": digest.finalize().hex()}))
    builder = StatementBuilder().subjects([subject])
    return builder.predicate_type("https://example.org/p").predicate({"a": 1}).build()


@pytest.fixture
def open_signer():
    """Return a function that opens sigstore-python's signer on a stack."""

    def open_signer(stack, **claims):
        config = ClientTrustConfig.from_json(stack.trust_config.decode())
        token = IdentityToken(stack.make_identity_token(**claims))
        return SigningContext.from_trust_config(config).signer(token)

    return open_signer


@pytest.fixture(scope="session")
def signing_key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def make_csr():
    """Return a function that makes a PKCS #10 request in base64, as clients send it."""

    def make_csr(key, digest=None):
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        own = hashes.SHA384() if getattr(key, "key_size", 0) == 384 else hashes.SHA256()
        algorithm = None if hasattr(key, "private_bytes_raw") else digest or own
        pem = builder.sign(key, algorithm).public_bytes(Encoding.PEM)
        return base64.b64encode(pem).decode()

    return make_csr


@pytest.fixture(scope="session")
def issue(stack_v1, web, make_csr):
    """Return a function that asks Fulcio for a certificate and returns the loaded chain."""

    def issue(key, **claims):
        response = web.post(
            f"{stack_v1.urls['fulcio']}/api/v2/signingCert",
            json={"certificateSigningRequest": make_csr(key)},
            headers={"Authorization": f"Bearer {stack_v1.make_identity_token(**claims)}"},
        )
        assert response.status_code == 200, response.text
        chain = response.json()["signedCertificateEmbeddedSct"]["chain"]["certificates"]
        return [x509.load_pem_x509_certificate(pem.encode()) for pem in chain]

    return issue


@pytest.fixture(scope="session")
def leaf(issue, signing_key):
    return issue(signing_key)[0]


@pytest.fixture(scope="session")
def hashedrekord(leaf, signing_key):
    """Return a function that makes an entry of Rekor v1 over content of its own."""

    def hashedrekord(content):
        digest = hashes.Hash(hashes.SHA256())
        digest.update(content)
        signature = signing_key.sign(content, ec.ECDSA(hashes.SHA256()))
        pem = leaf.public_bytes(Encoding.PEM)
        return {
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": {"hash": {"algorithm": "sha256", "value": digest.finalize().hex()}},
                "signature": {
                    "content": base64.b64encode(signature).decode(),
                    "publicKey": {"content": base64.b64encode(pem).decode()},
                },
            },
        }

    return hashedrekord


@pytest.fixture(scope="session")
def hashedrekord2(leaf, signing_key):
    """Return a function that makes an entry of Rekor v2 over content of its own."""

    def hashedrekord2(content):
        digest = hashes.Hash(hashes.SHA256())
        digest.update(content)
        signature = signing_key.sign(content, ec.ECDSA(hashes.SHA256()))
        raw = base64.b64encode(leaf.public_bytes(Encoding.DER)).decode()
        return {
            "hashedRekordRequestV002": {
                "digest": base64.b64encode(digest.finalize()).decode(),
                "signature": {
                    "content": base64.b64encode(signature).decode(),
                    "verifier": {
                        "x509Certificate": {"rawBytes": raw},
                        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    },
                },
            }
        }

    return hashedrekord2


@pytest.fixture(scope="session")
def unknown_key():
    """Return a well-formed public key in DER of an algorithm that nobody has heard of."""
    algorithm = bytes.fromhex("300706052a03040506")
    return b"\x30\x0d" + algorithm + bytes.fromhex("03020000")


@pytest.fixture(scope="session")
def change():
    """Return a function that copies a JSON document with one place in it changed."""

    def change(document, path, value):
        copied = json.loads(json.dumps(document))
        *parents, last = path.split(".")
        place = copied
        for name in parents:
            place = place[int(name) if isinstance(place, list) else name]
        place[last] = value
        return copied

    return change


@pytest.fixture(scope="session")
def check_inclusion():
    """Return an independent verifier of inclusion proofs (RFC 9162 §2.1.3.2)."""

    def check_inclusion(index, size, leaf, path, root):
        if index >= size:
            return False
        first, last, node = index, size - 1, leaf
        for hashed in path:
            if last == 0:
                return False
            if first % 2 or first == last:
                node = digest_nodes(hashed, node)
                while first % 2 == 0 and first:
                    first, last = first >> 1, last >> 1
            else:
                node = digest_nodes(node, hashed)
            first, last = first >> 1, last >> 1
        return last == 0 and node == root

    return check_inclusion


@pytest.fixture(scope="session")
def check_consistency():
    """Return an independent verifier of consistency proofs (RFC 9162 §2.1.4.2)."""

    def check_consistency(old, new, path, old_root, new_root):
        if old == new:
            return not path and old_root == new_root
        path = [old_root, *path] if old & (old - 1) == 0 else list(path)
        if not path:
            return False
        first, last = old - 1, new - 1
        while first % 2:
            first, last = first >> 1, last >> 1
        older = newer = path[0]
        for hashed in path[1:]:
            if last == 0:
                return False
            if first % 2 or first == last:
                older, newer = digest_nodes(hashed, older), digest_nodes(hashed, newer)
                while first % 2 == 0 and first:
                    first, last = first >> 1, last >> 1
            else:
                newer = digest_nodes(newer, hashed)
            first, last = first >> 1, last >> 1
        return last == 0 and older == old_root and newer == new_root

    return check_consistency


def digest_nodes(left, right):
    digest = hashes.Hash(hashes.SHA256())
    digest.update(b"\x01" + left + right)
    return digest.finalize()
