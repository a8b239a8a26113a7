"""What a TUF repository answers is believed as far as it is signed, and each failure is told."""

import contextlib
import datetime as dt
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from release_tool.core.errors import InputError, TryAgain
from release_tool.core.patience import Away
from release_tool.sigstore.trust.repository import TufRepository, fetch_targets, first_line

NAMES = ("trusted_root.json", "signing_config.v0.2.json")


class Notes:
    def __init__(self):
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    def stage(self, name):
        return contextlib.nullcontext()

    def bar(self, name, total):
        return contextlib.nullcontext(lambda _advance: None)


def refused(repository: TufRepository, kind: type[Exception]) -> str:
    """Ask, and return what was said of the failure and what to do."""
    with pytest.raises(kind) as caught:
        fetch_targets(repository, NAMES)
    assert "\n" not in str(caught.value)
    return f"{caught.value} / {caught.value.hint}"  # type: ignore[attr-defined]


def test_what_is_signed_is_fetched_and_kept_for_the_next_time(published, home: Path):
    notes = Notes()
    first = fetch_targets(published.repository(), NAMES, progress=notes)
    assert first == published.targets
    for path in (published.place / "targets").iterdir():
        path.unlink()  # the second time they come from the cache
    assert fetch_targets(published.repository(), NAMES, progress=notes) == first
    assert notes.lines == []
    assert [path.name for path in home.iterdir()] == [".local", ".cache"] or home.exists()


def test_what_is_installed_and_current_is_not_downloaded_and_what_is_old_is(published):
    carried = ((NAMES[0], b"{}"), (NAMES[1], b"old"))
    [path] = (published.place / "targets").glob(f"*.{NAMES[0]}")
    path.unlink()
    found = fetch_targets(published.repository(installed=carried), NAMES)
    assert found == published.targets


def test_a_target_that_the_repository_does_not_have_is_refused(published):
    with pytest.raises(InputError, match="has no other"):
        fetch_targets(published.repository(), ("other",))


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"])
def test_a_cache_that_cannot_be_made_is_replaced_by_a_temporary_one(
    published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    in_the_way = tmp_path / "file"
    in_the_way.write_bytes(b"in the way")
    monkeypatch.setenv(variable, str(in_the_way))
    notes = Notes()
    assert fetch_targets(published.repository(), NAMES, progress=notes) == published.targets
    assert notes.lines == [
        "the cache of 127.0.0.1 cannot be used (not a directory); a temporary one is"
    ]
    assert list(temporary.iterdir()) == []
    assert in_the_way.read_bytes() == b"in the way"


def test_a_cache_that_may_not_be_written_is_replaced_too(
    published, monkeypatch: pytest.MonkeyPatch
):
    fetch_targets(published.repository(), NAMES)
    monkeypatch.setattr("os.access", lambda *_: False)
    notes = Notes()
    assert fetch_targets(published.repository(), NAMES, progress=notes) == published.targets
    assert "permission denied" in notes.lines[0]


def test_a_cache_that_fails_while_it_is_written_is_replaced_too(published, home: Path):
    fetch_targets(published.repository(), NAMES)
    [kept] = (home / ".local/share/sigstore-python/tuf").iterdir()
    (kept / "timestamp.json").unlink()
    (kept / "timestamp.json").mkdir()
    notes = Notes()
    assert fetch_targets(published.repository(), NAMES, progress=notes) == published.targets
    assert "is a directory" in notes.lines[0]


def test_without_any_place_to_write_the_error_says_so(
    published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(InputError, match="cannot write to") as caught:
        fetch_targets(published.repository(), NAMES)
    assert "choose a directory" in str(caught.value.hint)


def test_expired_metadata_is_named_and_the_clock_is_suspected(published):
    published.publish(lifetime=dt.timedelta(days=-1))
    said = refused(published.repository(), TryAgain)
    assert "its metadata has expired: timestamp.json is expired" in said
    assert "clock" in said


def test_metadata_signed_by_another_key_is_not_to_be_believed(published):
    published.publish(signed_by="snapshot")
    said = refused(published.repository(), InputError)
    assert "metadata that too few of its keys signed: timestamp was signed by 0/1 keys" in said
    assert "do not believe it" in said


def test_a_repository_that_goes_back_to_an_earlier_state_is_refused(published):
    published.publish()
    fetch_targets(published.repository(), NAMES)
    published.version = 0
    published.publish()
    said = refused(published.repository(), TryAgain)
    assert "metadata that does not hold" in said


def test_a_page_in_place_of_metadata_is_told(published):
    published.write("timestamp.json", b"<html>Please sign in</html>")
    said = refused(published.repository(), TryAgain)
    assert "metadata that does not hold" in said
    assert "login page" in said


def test_targets_that_are_not_the_signed_ones_are_refused(published):
    for path in (published.place / "targets").iterdir():
        path.write_bytes(b"[]")
    assert "metadata that does not hold" in refused(published.repository(), TryAgain)


def test_a_status_that_is_none_of_success_is_told(published):
    (published.place / "timestamp.json").unlink()
    assert "127.0.0.1 answers with status 404" in refused(published.repository(), TryAgain)


def test_a_server_that_is_away_is_told(published):
    said = refused(published.repository("http://127.0.0.1:1"), TryAgain)
    assert "127.0.0.1 cannot be reached: " in said
    assert "refused" in said
    assert "--offline" in said


def test_a_name_that_cannot_be_resolved_is_told(published, monkeypatch: pytest.MonkeyPatch):
    def unknown(*_arguments, **_options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    said = refused(published.repository("https://tuf.test"), TryAgain)
    assert "the name tuf.test cannot be resolved (DNS)" in said
    assert "HTTPS_PROXY" in said


def self_signed(place: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now.replace(year=2099))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (place / "server.pem").write_bytes(secret + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "server.pem")
    return context


def test_a_certificate_that_nobody_knows_is_told(published, serving, tmp_path: Path):
    with serving(published.place, self_signed(tmp_path)) as port:
        said = refused(published.repository(f"https://localhost:{port}"), TryAgain)
    assert "TLS with localhost failed: " in said
    assert "self-signed certificate" in said
    assert "SSL_CERT_FILE" in said


def test_a_server_that_never_answers_is_told(published, monkeypatch: pytest.MonkeyPatch):
    from tuf.api.exceptions import SlowRetrievalError

    from release_tool.sigstore.trust.repository import explain

    error = explain(published.repository(), SlowRetrievalError())
    assert "does not answer in time" in str(error)
    assert isinstance(error, Away)


@pytest.mark.parametrize(("status", "kind"), [(404, TryAgain), (429, Away), (503, Away)])
def test_only_what_may_pass_is_worth_waiting_for(published, status: int, kind: type[TryAgain]):
    from tuf.api.exceptions import DownloadHTTPError

    from release_tool.sigstore.trust.repository import explain

    error = explain(published.repository(), DownloadHTTPError("no", status))
    assert type(error) is kind
    assert f"answers with status {status}" in str(error)


def test_a_library_error_without_words_is_called_by_its_name():
    assert first_line(OSError()) == "OSError"
