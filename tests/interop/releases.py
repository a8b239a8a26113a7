"""Shows that GitHub's own client takes the stand-in for a GitHub, and our releases for releases.

    python -m tests.interop.releases RELEASE_TOOL GH…

Rehearses a release, uploads it through `release-tool` over TLS to a stand-in in GitHub Enterprise's
form, and has every GH that is given list, view and download it: the draft, and what was published.
A GH that knows attestations then finds and verifies the provenance; it asks for them at GitHub.com
only, so a proxy that lives in here leads api.github.com to the stand-in, and nothing anywhere else.
"""

import filecmp
import json
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from release_tool.core.names import RepoSlug
from release_tool.github.client import open_github
from release_tool.recipes.toml.writing import write_recipe
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal.github.standin import GitHubStandIn
from release_tool.rehearsal.upstream import make_checkpoint, make_recipe
from tests.standins.github import start_whole_github
from tests.standins.tls import LOOPBACK_NAMES, make_tls

REPO = "rehearsal/u2netp-mirror"
TAG = U2NETP.tag
HOST = "api.github.com"
MINUTE = 60.0
NO_IDENTITY = 5
"""How a doctor ends who finds all well, but nobody here who could sign."""
SHOWN = (
    "tagName,isDraft,isPrerelease,name,body,createdAt,publishedAt,targetCommitish,url,author,assets"
)


class Failure(Exception):
    """Something is not as it should be; the whole run stops."""


def require(what: str, good: object, seen: object = "") -> None:
    """Say that something holds, or stop."""
    if not good:
        raise Failure(f"FAILED {what}\n{seen}")
    print(f"ok     {what}", flush=True)


def run(
    command: list[str], environment: Mapping[str, str], place: Path
) -> subprocess.CompletedProcess[str]:
    """Run a command with nothing of this environment but the search path."""
    return subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment},
        cwd=place,
        capture_output=True,
        text=True,
        timeout=5 * MINUTE,
        check=False,
    )


@dataclass(frozen=True, slots=True)
class Tool:
    """The installed release-tool, its rehearsed release, and how it reaches a stand-in."""

    binary: str
    place: Path
    authority: Path

    @property
    def dist(self) -> Path:
        """Where the rehearsed release lies."""
        return self.place / "dist"

    def files(self) -> dict[str, Path]:
        """The files of the release by name."""
        return {path.name: path for path in self.dist.iterdir() if path.is_file()}

    def call(self, github: GitHubStandIn | None, *arguments: str, code: int = 0) -> str:
        """Run a command of ours, which must end in `code`; return what it printed."""
        environment = {"HOME": str(self.place / "home")}
        options: list[str] = []
        if github is not None:
            environment |= {"GH_TOKEN": github.token, "SSL_CERT_FILE": str(self.authority)}
            root = self.dist / "rehearsal" / "trusted_root.json"
            recipe = self.place / "recipe.toml"
            recipe.write_text(write_recipe(make_recipe(make_checkpoint())))
            options = ["--github-api", github.api, "--trusted-root", str(root)]
            options += ["--recipe", str(recipe)]
        done = run([self.binary, *arguments, *options], environment, self.place)
        if done.returncode != code:
            raise Failure(f"release-tool {arguments[0]}: {done.returncode}\n{done.stderr}")
        return done.stdout + done.stderr


@dataclass(frozen=True, slots=True)
class Gh:
    """One gh, which sees a stand-in as its only host; its files are thrown away."""

    binary: str
    place: Path
    environment: Mapping[str, str]
    version: str = field(default="")

    def call(self, *arguments: str) -> str:
        """Run a command of gh, which must succeed; return what it printed."""
        done = self.attempt(*arguments)
        if done.returncode != 0:
            raise Failure(f"gh {self.version} {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of gh."""
        return run([self.binary, *arguments], self.environment, self.place)


def open_gh(binary: str, place: Path, environment: Mapping[str, str]) -> Gh:
    """Find out which version a gh is, and give it a home of its own."""
    place.mkdir(parents=True)
    quiet = {"GH_NO_UPDATE_NOTIFIER": "1", "GH_CONFIG_DIR": str(place), "HOME": str(place)}
    said = run([binary, "--version"], quiet, place).stdout
    found = re.match(r"gh version (\S+)", said)
    if found is None:
        raise Failure(f"{binary} is no gh")
    return Gh(binary, place, {**quiet, **environment}, found[1])


def open_enterprise_gh(binary: str, place: Path, github: GitHubStandIn, authority: Path) -> Gh:
    """Log a gh in to the stand-in as to a GitHub Enterprise host.

    By its file of logins, not by GH_ENTERPRISE_TOKEN: before 2.32.1 that token is sent wherever a
    download is redirected to, and storage refuses it. Some versions look a login up by host and
    port, others by the host alone.
    """
    host = github.api.partition("://")[2].partition("/")[0]
    gh = open_gh(binary, place, {"GH_REPO": f"{host}/{REPO}", "SSL_CERT_FILE": str(authority)})
    login = {"oauth_token": github.token, "user": "rehearsal", "git_protocol": "https"}
    (place / "hosts.yml").write_text(json.dumps({host: login, host.partition(":")[0]: login}))
    return gh


def check_draft(gh: Gh, github: GitHubStandIn) -> None:
    """Those who may push see the draft as a draft, others see nothing of it."""
    rows = [line.split("\t") for line in gh.call("release", "list").splitlines()]
    require(f"gh {gh.version} lists a draft as one", [row[1:3] for row in rows] == [["Draft", TAG]])
    shown = json.loads(gh.call("release", "view", TAG, "--json", "isDraft,assets,publishedAt"))
    require(f"gh {gh.version} views the draft", shown["isDraft"] and shown["publishedAt"] is None)
    github.state.push = False
    try:
        require(
            f"gh {gh.version} lists no draft without the right to push",
            gh.call("release", "list") == "",
        )
        missing = gh.attempt("release", "view", TAG)
        require(
            f"gh {gh.version} finds no draft without the right to push",
            missing.returncode == 1 and "release not found" in missing.stderr,
            missing.stderr,
        )
        for arguments in (["download", TAG], ["view"]):
            require(
                f"gh {gh.version} cannot {arguments[0]} it either",
                gh.attempt("release", *arguments).returncode == 1,
            )
    finally:
        github.state.push = True


def check_published(gh: Gh, tool: Tool) -> None:
    """The release is listed, viewed and downloaded as it was uploaded."""
    rows = [line.split("\t") for line in gh.call("release", "list").splitlines()]
    require(
        f"gh {gh.version} lists the release as the latest",
        [row[1:3] for row in rows] == [["Latest", TAG]],
        rows,
    )
    shown = json.loads(gh.call("release", "view", TAG, "--json", SHOWN))
    sizes = {asset["name"]: asset["size"] for asset in shown["assets"]}
    wanted = {name: path.stat().st_size for name, path in tool.files().items()}
    require(
        f"gh {gh.version} views the release with its {len(wanted)} assets",
        sizes == wanted
        and not shown["isDraft"]
        and shown["publishedAt"]
        and all(asset["state"] == "uploaded" for asset in shown["assets"]),
        shown,
    )
    latest = json.loads(gh.call("release", "view", "--json", "tagName"))
    require(f"gh {gh.version} finds it as the latest release", latest == {"tagName": TAG})
    place = gh.place / "downloaded"
    gh.call("release", "download", TAG, "--dir", str(place))
    check_same(f"gh {gh.version} downloads every byte of it", tool, place)
    missing = gh.attempt("release", "view", "none")
    require(
        f"gh {gh.version} finds no release that is not there",
        missing.returncode == 1 and "release not found" in missing.stderr,
        missing.stderr,
    )


def check_same(what: str, tool: Tool, place: Path) -> None:
    """Compare what was downloaded with the release, byte for byte."""
    names = sorted(tool.files())
    same, different, absent = filecmp.cmpfiles(tool.dist, place, names, shallow=False)
    found = sorted(path.name for path in place.iterdir())
    require(what, sorted(same) == found == names, (different, absent, found))


def check_our_own(tool: Tool, github: GitHubStandIn) -> None:
    """Fetch and verify the release over the same TLS, as a consumer does."""
    tool.call(github, "fetch", f"{REPO}@{TAG}", "--to", "model", "--repo", REPO)
    installed = tool.place / "model" / U2NETP.names.installed_model
    model = tool.dist / U2NETP.names.model
    require("release-tool fetches it over TLS", filecmp.cmp(installed, model, shallow=False))
    said = tool.call(github, "verify", str(model), "--from", f"{REPO}@{TAG}", "--repo", REPO)
    require("release-tool verifies it with the bundle from the release", "verified" in said)


def check_origins(github: GitHubStandIn) -> None:
    """No token may have gone to the other origin, and uploads went where the release said."""
    elsewhere = [entry for entry in github.requests if entry.origin == "content"]
    require(
        f"none of {len(elsewhere)} requests to the storage carried a token",
        elsewhere and not any("authorization" in entry.headers for entry in elsewhere),
    )
    uploads = [entry.path for entry in github.requests if entry.kind == "upload"]
    require(
        "uploads went to the address that the release names",
        uploads and all(path.startswith("/api/uploads/") for path in uploads),
        uploads,
    )


def exercise_releases(tool: Tool, binaries: list[str]) -> None:
    """Publish over TLS in GitHub Enterprise's form, and look at it with every gh."""
    tls = make_tls()
    tool.authority.write_text(tls.authority)
    with start_whole_github(repo=REPO, tls=tls, enterprise=True) as github:
        ghs = [
            open_enterprise_gh(binary, tool.place / f"gh{number}", github, tool.authority)
            for number, binary in enumerate(binaries)
        ]
        destination = ["--repo", REPO, "--tag", TAG]
        config = ["--sigstore", str(tool.dist / "rehearsal" / "trust_config.json")]
        checklist = tool.call(github, "doctor", "dist", *destination, *config, code=NO_IDENTITY)
        require("release-tool doctor looks at it over TLS", "the token may push" in checklist)
        tool.call(github, "upload", "dist", *destination, "--keep-draft")
        for gh in ghs:
            check_draft(gh, github)
        tool.call(github, "upload", "dist", *destination)
        for gh in ghs:
            check_published(gh, tool)
        check_our_own(tool, github)
        check_origins(github)
        require("no other release was made", len(github.state.releases) == 1)


@contextmanager
def open_proxy(port: int) -> Iterator[tuple[str, list[str]]]:
    """Run a proxy that leads `HOST` to a port here (RFC 9110 §9.3.6); yield it and its refusals."""
    refused: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):  # the listener is closed at the end
                while True:
                    peer, _ = listener.accept()
                    threading.Thread(target=tunnel, args=(peer, port, refused), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", refused


def tunnel(peer: socket.socket, port: int, refused: list[str]) -> None:
    """Read one CONNECT; carry bytes both ways if it is for `HOST`, and refuse it otherwise."""
    with peer, peer.makefile("rb") as head:
        peer.settimeout(MINUTE)
        target = head.readline(1000).decode("latin-1").split(" ")[1]
        while head.readline(10_000).strip():
            pass
        if target != f"{HOST}:443":
            refused.append(target)
            peer.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", port), timeout=MINUTE) as inside:
            peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            carry(peer, inside)


def carry(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until either side ends."""
    across = {one: other, other: one}
    with suppress(OSError):
        while ready := select.select([one, other], [], [], MINUTE)[0]:
            for source in ready:
                content = source.recv(65536)
                if not content:
                    return
                across[source].sendall(content)


def exercise_attestations(tool: Tool, binaries: list[str]) -> None:
    """Store the provenance as an attestation, and have every gh that can verify the model by it."""
    tls = make_tls((*LOOPBACK_NAMES, HOST))
    tool.authority.write_text(tls.authority)
    roots = tool.place / "root.jsonl"
    root = json.loads((tool.dist / "rehearsal" / "trusted_root.json").read_text())
    roots.write_text(json.dumps(root) + "\n")
    model = tool.dist / U2NETP.names.model
    changed = tool.place / "changed.onnx"
    changed.write_bytes(model.read_bytes() + b"x")
    with start_whole_github(repo=REPO, tls=tls) as github:
        os.environ["SSL_CERT_FILE"] = str(tool.authority)
        with open_github(github.api, github.token) as client:
            bundle = json.loads((tool.dist / U2NETP.names.provenance).read_text())
            client.send_attestation(RepoSlug.parse(REPO), bundle)
        said = tool.call(github, "verify", str(model), "--from", REPO, "--repo", REPO)
        require("release-tool verifies the model by its attestation", "verified" in said)
        with open_proxy(int(github.api.rpartition(":")[2])) as (proxy, refused):
            environment = {
                "GH_TOKEN": github.token,
                "SSL_CERT_FILE": str(tool.authority),
                "HTTPS_PROXY": proxy,
            }
            for number, binary in enumerate(binaries):
                gh = open_gh(binary, tool.place / f"attesting{number}", environment)
                check_attestation(gh, model, changed, roots)
            if binaries:
                require("no gh asked any other host", not refused, refused)


def check_attestation(gh: Gh, model: Path, changed: Path, roots: Path) -> None:
    """Verify the model, and fail to verify another; a gh that knows no attestations is let go."""
    if gh.attempt("attestation", "verify", "--help").returncode != 0:
        print(f"--     gh {gh.version} knows no attestations")
        return
    options = ["--repo", REPO, "--custom-trusted-root", str(roots)]
    found = json.loads(gh.call("attestation", "verify", str(model), *options, "--format", "json"))
    digests = [
        subject["digest"]["sha256"]
        for item in found
        for subject in item["verificationResult"]["statement"]["subject"]
    ]
    require(f"gh {gh.version} verifies the model by its attestation", len(found) == 1 and digests)
    missing = gh.attempt("attestation", "verify", str(changed), *options)
    require(
        f"gh {gh.version} finds no attestation of a changed model",
        missing.returncode == 1 and "no attestations found" in missing.stderr,
        missing.stderr,
    )
    for workflow, code in (("release.yml", 0), ("other.yml", 1)):
        signer = ["--signer-workflow", f"{REPO}/.github/workflows/{workflow}"]
        done = gh.attempt("attestation", "verify", str(model), *options, *signer)
        what = "accepts no other" if code else "accepts the"
        require(f"gh {gh.version} {what} workflow as signer", done.returncode == code, done.stderr)


def main() -> None:
    """Do all of it in a temporary directory; the exit code is 1 where anything fails."""
    binary, *binaries = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="release-tool-interop-") as name:
        place = Path(name)
        tool = Tool(str(Path(binary).resolve()), place, place / "authority.pem")
        try:
            tool.call(None, "rehearse", "--out", "dist")
            exercise_releases(tool, binaries)
            exercise_attestations(tool, binaries)
        except Failure as failure:
            sys.exit(str(failure))


if __name__ == "__main__":
    main()
