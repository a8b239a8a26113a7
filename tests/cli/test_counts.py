"""How often a rehearsal asks GitHub, hashes a file and reads a format: no more than it must."""

import hashlib
import threading
from collections import Counter
from pathlib import Path

import pytest

from release_tool.core.digest import Sha256
from release_tool.gates.wire import Reader
from release_tool.provenance import manifest
from release_tool.rehearsal.github.standin import GitHubStandIn

QUESTIONS = 17
"""What is asked of GitHub whatever the files: ready, what is there, draft, publish, attest."""
A_FILE = 3
"""A file is uploaded, asked for, and fetched from where GitHub leads to."""
MOST_HASHES = 4
"""Of one content: opened and uploaded here, and the copy fetched back as it arrives and is judged.

Where two of them become one, a file could change in between. Of the model there is a third file,
the one that the worker made.
"""


class Counts:
    """What was counted in this thread, where the stand-ins do not run."""

    def __init__(self) -> None:
        self.digests: Counter[str] = Counter()
        self.requests = self.models = self.manifests = 0

    def finish(self, digest: str) -> str:
        if threading.current_thread() is threading.main_thread():
            self.digests[digest] += 1
        return digest


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """Count every digest that is made and every reading of a format."""
    counts, sha256, file_digest = Counts(), hashlib.sha256, hashlib.file_digest

    class Counted:
        def __init__(self, *content: bytes) -> None:
            self.hasher = sha256(*content)
            self.update = self.hasher.update
            self.digest = self.hasher.digest

        def hexdigest(self) -> str:
            return counts.finish(self.hasher.hexdigest())

    def count_file(stream, name):
        hasher = file_digest(stream, name)
        counts.finish(hasher.hexdigest())
        return hasher

    monkeypatch.setattr(hashlib, "sha256", lambda *content, **_: Counted(*content))
    monkeypatch.setattr(hashlib, "file_digest", count_file)
    log, message, parse = GitHubStandIn.log, Reader.message, vars(manifest)["parse_json_object"]

    def count_request(self, *arguments):
        counts.requests += 1
        return log(self, *arguments)

    def count_model(self, kind, *arguments):
        counts.models += kind == "ModelProto" and not self.unread
        return message(self, kind, *arguments)

    def count_manifest(*arguments):
        counts.manifests += 1
        return parse(*arguments)

    monkeypatch.setattr(GitHubStandIn, "log", count_request)
    monkeypatch.setattr(Reader, "message", count_model)
    monkeypatch.setattr(manifest, "parse_json_object", count_manifest)
    return counts


def test_a_rehearsal_asks_hashes_and_reads_no_more_than_it_must(
    run, counts: Counts, tmp_path: Path
):
    vars(manifest.Manifest)["parse"].__func__.cache_clear()
    out = tmp_path / "out"
    result = run("rehearse", "--out", out, "--json")
    assert result.code == 0, result.err
    times, files = counts.digests.copy(), [path for path in out.iterdir() if path.is_file()]
    hashed = {path.name: times[Sha256.of_file(path).hex] for path in files}
    most = {name: MOST_HASHES + name.endswith(".onnx") for name in hashed}
    assert {name: count for name, count in hashed.items() if not 0 < count <= most[name]} == {}
    assert counts.requests <= QUESTIONS + A_FILE * len(files)
    assert counts.models <= 2
    assert counts.manifests == 1
