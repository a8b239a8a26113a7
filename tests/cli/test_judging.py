"""Many models in one call: judged in the order that was asked, each by itself."""

import pytest

from release_tool.cli.judge import judging
from release_tool.cli.judge.judging import Judge
from release_tool.core.errors import Interrupted
from release_tool.core.names import RepoSlug
from release_tool.recipes.u2netp import U2NETP
from release_tool.sigstore.trust.instance import TrustedRoot
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.demands import Demands


@pytest.fixture
def judge(rehearsed) -> Judge:
    root = (rehearsed.directory / "rehearsal" / "trusted_root.json").read_bytes()
    signer = ExpectedSigner.of_workflow(RepoSlug("rehearsal", "u2netp-mirror"))
    return Judge(U2NETP, signer, TrustedRoot(root, "the rehearsal"), Demands())


def test_many_models_keep_their_order_and_their_own_refusals(judge, rehearsed):
    good, missing = str(rehearsed.model), str(rehearsed.directory / "none.onnx")
    models = [missing if number % 7 == 3 else good for number in range(32)]
    outcomes = judge.outcomes(models)
    assert [outcome.model for outcome in outcomes] == models
    assert [outcome.verified is None for outcome in outcomes] == [one == missing for one in models]


def test_an_interruption_ends_the_call_and_what_was_not_begun_is_never_read(
    judge, monkeypatch: pytest.MonkeyPatch
):
    read: list[str] = []

    def open_evidence(path, *_arguments, **_options):
        read.append(path.name)
        raise Interrupted("interrupted")

    monkeypatch.setattr(judging, "open_evidence", open_evidence)
    with pytest.raises(Interrupted):
        judge.outcomes([f"{number}.onnx" for number in range(64)])
    assert read == ["0.onnx"]
