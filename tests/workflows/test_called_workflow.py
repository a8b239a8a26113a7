"""The release workflow, called from a repository that does not hold this project's code."""

import shutil
from dataclasses import replace

from release_tool.rehearsal.sigstore.claims import Claims
from release_tool.rehearsal.stack import start_sigstore
from tests.workflows.actions import Sources
from tests.workflows.conftest import TAG
from tests.workflows.runner import Run

TOOL = "tools/release-tool"
WORKFLOW = f"{TOOL}/.github/workflows/release.yml@refs/tags/v1"


class CalledClaims(Claims):
    """The claims of a job whose workflow lies in another repository than the run."""

    __slots__ = ()

    def to_token(self) -> dict[str, object]:
        return Claims.to_token(self) | {"job_workflow_ref": WORKFLOW}


def test_a_called_workflow_signs_as_itself_for_the_repository_that_called(
    exported, project, run, tmp_path
):
    claims = CalledClaims(project.services.claims.repo)
    with start_sigstore(claims=claims) as sigstore:
        tree = shutil.copytree(project.services.sources.own_tree, tmp_path / "tree")
        (tree / "trust_config.json").write_bytes(sigstore.trust_config)
        caller = (str(claims.repo), claims.sha.hex, tree)
        sources = Sources(TOOL, claims.sha.hex, tree, caller)
        services = replace(project.services, sigstore=sigstore, sources=sources, claims=claims)
        place, inputs = project.fresh_place(), exported.inputs
        refused: Run = exported.copy(place, services=services, called=True).go()
        assert refused.jobs["sign"].failed_step == "Sign"
        assert "believes another signer" in refused.jobs["sign"].log
        assert len(sigstore.ctlog.entries) == 0
        meant = {**inputs, "other_publisher": "true"}
        again = exported.copy(project.fresh_place(), services=services, inputs=meant, called=True)
        called: Run = again.go()
        logs = "".join(job.log for job in called.jobs.values())
        assert called.jobs["publish"].result == "success", logs
    assert project.published == [TAG]
    assert f"https://github.com/{WORKFLOW}" in called.jobs["publish"].summary
    files = tmp_path / "dist"
    for name in ("model-exported", "model-signatures"):
        shutil.copytree(called.artifacts / name, files, dirs_exist_ok=True)
    model = files / "u2netp_mirror_v1.onnx"
    root = ["--trusted-root", tree / "trust_config.json"]
    identity = [f"--cert-identity=https://github.com/{WORKFLOW}", "--cert-oidc-issuer"]
    exact = [*identity, sigstore.issuer, "--repo-id", claims.to_token()["repository_id"]]
    assert run("verify", model, *root, *exact).code == 0
    assert run("verify", model, *root, *exact[:-1], "1").code == 8
    assert run("verify", model, *root, "--repo", str(claims.repo)).code == 8
