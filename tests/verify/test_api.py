"""The Python API, and what importing and running a verdict costs and touches."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import release_tool.verify
from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.recipes.u2netp import U2NETP
from release_tool.verify import VerifiedModel, verify_model

NAMES = U2NETP.names
UNWANTED = """
    sigstore sigstore_models pydantic requests urllib3 tuf securesystemslib jwt rich id rekor_types
    httpx httpcore respx torch onnx onnxruntime numpy
""".split()


def run(code: str, *arguments: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout


def test_the_verified_bytes_are_handed_out_and_not_read_again(v1, release):
    model = verify_model(release / NAMES.model, signer=v1.expected, trusted_root=v1.root)
    assert isinstance(model, VerifiedModel)
    assert model.content == (release / NAMES.model).read_bytes()
    assert model.release.model.name == NAMES.model


def test_the_trusted_root_may_be_a_file_and_a_signer_alone_names_no_recipe(v1, release, tmp_path):
    root = tmp_path / "root.json"
    root.write_bytes(v1.stack.trusted_root)
    bundle = release / NAMES.bundle
    model = verify_model(
        str(release / NAMES.model),
        signer=v1.expected,
        trusted_root=root,
        bundle=str(bundle),
    )
    assert model.release.signer.identity == v1.expected.identity


def test_by_default_the_recipes_publisher_must_have_signed(v1, release):
    with pytest.raises(NotVerified, match=r"identity of the signer: expected .*VMAFx/vmafx"):
        verify_model(release / NAMES.model, trusted_root=v1.root)
    with pytest.raises(CannotVerify, match=r"the transparency log is not known .* is of 20\d\d-"):
        verify_model(release / NAMES.model)


def test_a_model_that_is_not_there_cannot_be_verified(tmp_path):
    with pytest.raises(CannotVerify):
        verify_model(tmp_path / "missing.onnx")


def test_every_public_name_is_there_and_no_other():
    for name in release_tool.verify.__all__:
        assert getattr(release_tool.verify, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = release_tool.verify.nothing


def test_a_verdict_imports_nothing_that_it_does_not_need():
    loaded = run(
        """
        import sys
        import release_tool.verify
        assert "cryptography" not in sys.modules
        import release_tool.verify.verdict
        print(*sys.modules)
        """
    ).split()
    assert not set(UNWANTED) & set(loaded)


def test_a_verdict_opens_no_socket_and_no_file_but_the_evidence(v1, release, tmp_path):
    root = tmp_path / "root.json"
    root.write_bytes(v1.stack.trusted_root)
    code = """
        import sys
        from pathlib import Path
        from release_tool.sigstore.trust.signer import ExpectedSigner
        from release_tool.verify import verify_model
        import release_tool.verify.contents, release_tool.gates.metadata
        opened = []
        def watch(event, details):
            if event.startswith(("socket.", "subprocess", "os.mkdir")):
                raise SystemExit(event)
            if event == "open" and isinstance(details[0], str | Path):
                opened.append(str(details[0]))
        root, model, identity, issuer = sys.argv[1:]
        signer = ExpectedSigner.exact(identity, issuer)
        verify_model(model, signer=signer, trusted_root=root)
        sys.addaudithook(watch)
        verify_model(model, signer=signer, trusted_root=root)
        print(*opened, sep="\\n")
    """
    said = run(
        code,
        str(root),
        str(release / NAMES.model),
        v1.expected.identity,
        v1.expected.issuer,
    )
    directories = {str(Path(line).parent) for line in said.splitlines()}
    assert directories <= {str(tmp_path), str(release)}


def test_a_large_model_is_verified_in_bounded_memory(v1, tmp_path):
    model, root = tmp_path / "large.onnx", tmp_path / "root.json"
    with model.open("wb") as stream:
        stream.truncate(256 * 1024**2)
    (tmp_path / "large.onnx.sigstore.json").write_bytes(v1.sign(Sha256.of_file(model)))
    root.write_bytes(v1.stack.trusted_root)
    code = """
        import sys
        from pathlib import Path
        from release_tool.recipes.u2netp import U2NETP
        from release_tool.sigstore.trust.instance import open_trusted_root
        from release_tool.sigstore.trust.signer import ExpectedSigner
        from release_tool.verify import open_evidence, verify_release
        root, model, identity, issuer = sys.argv[1:]
        signer = ExpectedSigner.exact(identity, issuer)
        trusted = open_trusted_root(root, offline=True)
        verify_release(open_evidence(Path(model), U2NETP), signer, trusted)
        status = Path("/proc/self/status").read_text()
        print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
    """
    used_mib = int(run(code, str(root), str(model), v1.expected.identity, v1.expected.issuer))
    assert used_mib < 100
