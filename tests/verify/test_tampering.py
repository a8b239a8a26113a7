"""Every byte counts: a flipped one is noticed wherever it stands, and never with a crash."""

import json
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.recipes.u2netp import U2NETP
from release_tool.sigstore.check.bundle import parse_bundle
from release_tool.verify.evidence import open_evidence
from release_tool.verify.verdict import verify_release

pytestmark = pytest.mark.usefixtures("unmeasured")
NAMES = U2NETP.names


def judge(signer, directory: Path) -> str:
    """Return what the verdict on a directory is; anything but a refusal leaves as it came."""
    try:
        verify_release(open_evidence(directory, U2NETP), signer.expected, signer.root)
    except NotVerified:
        return "not verified"
    except CannotVerify:
        return "cannot verify"
    return "verified"


def flips(content: bytes, stride: int, mask: int):
    for position in range(0, len(content), stride):
        yield content[:position] + bytes([content[position] ^ mask]) + content[position + 1 :]


def check_flips(signer, bundle: bytes, content: bytes, *, stride: int, mask: int) -> None:
    original, seen = json.loads(bundle), set()
    for damaged in flips(bundle, stride, mask):
        try:
            signer.verify(damaged, content)
        except (NotVerified, CannotVerify) as refusal:
            seen.add(refusal.exit_code)
        else:
            assert json.loads(damaged) == original
    assert 9 in seen
    assert 8 in seen or mask == 0x80, "a set high bit is never ASCII, so never read"


def test_every_flipped_byte_of_a_bundle_is_noticed(v2, content, message_bundles):
    check_flips(v2, message_bundles["v2"], content, stride=1, mask=1)


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80])
def test_flipped_bytes_are_noticed_in_every_kind_of_bundle(
    v1, v2, content, message_bundles, statement_bundles, mask
):
    for signer, name in ((v1, "v1"), (v2, "v2")):
        for bundles in (message_bundles, statement_bundles):
            check_flips(signer, bundles[name], content, stride=37, mask=mask)


@pytest.mark.parametrize("name", [NAMES.manifest, NAMES.license, NAMES.model])
def test_every_flipped_byte_of_the_files_of_a_release_is_noticed(v1, release, tmp_path, name):
    directory = shutil.copytree(release, tmp_path / "release")
    content = (directory / name).read_bytes()
    # The signatures are the same every time and take long, so a sample is enough for a long file.
    stride = max(1, len(content) // 150)
    for damaged in flips(content, stride, 1):
        (directory / name).write_bytes(damaged)
        assert judge(v1, directory) == "not verified"
    (directory / name).write_bytes(content)
    assert judge(v1, directory) == "verified"


@pytest.mark.parametrize("name", [NAMES.bundle, NAMES.provenance])
def test_flipped_bytes_of_the_bundles_of_a_release_are_noticed(v1, release, tmp_path, name):
    directory = shutil.copytree(release, tmp_path / "release")
    for damaged in flips((directory / name).read_bytes(), 131, 1):
        (directory / name).write_bytes(damaged)
        assert judge(v1, directory) in {"not verified", "cannot verify"}


def test_files_swapped_within_a_release_are_refused(v1, release, tmp_path):
    names = sorted(path.name for path in release.iterdir())
    for position, one in enumerate(names):
        for other in names[position + 1 :]:
            directory = shutil.copytree(release, tmp_path / f"{one}-{other}")
            shutil.copy(release / one, directory / other)
            shutil.copy(release / other, directory / one)
            assert judge(v1, directory) in {"not verified", "cannot verify"}, (one, other)


def test_files_swapped_between_releases_of_one_signer_are_refused(
    v1, release, other_release, tmp_path
):
    differing = [
        path.name
        for path in release.iterdir()
        if path.read_bytes() != (other_release / path.name).read_bytes()
    ]
    assert len(differing) == 4, "the licence alone is the same"
    for name in differing:
        directory = shutil.copytree(release, tmp_path / name)
        shutil.copy(other_release / name, directory / name)
        assert judge(v1, directory) == "not verified", name


def test_a_model_with_its_own_good_bundle_from_another_release_is_refused(
    v1, release, other_release, tmp_path
):
    directory = shutil.copytree(release, tmp_path / "release")
    for name in (NAMES.model, NAMES.bundle):
        shutil.copy(other_release / name, directory / name)
    with pytest.raises(NotVerified, match=f"digest of {NAMES.model}: expected sha256:"):
        verify_release(open_evidence(directory, U2NETP), v1.expected, v1.root)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(value, path=()):
    """List the paths to everything inside a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    if isinstance(value, dict | list):
        for key, inner in items:
            yield from places(inner, (*path, key))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    choice=st.integers(0, 10**6),
    value=VALUES,
    remove=st.booleans(),
    which=st.sampled_from(["v1", "v2"]),
)
def test_any_json_in_place_of_any_part_of_a_bundle_is_refused(
    v1, v2, content, message_bundles, choice, value, remove, which
):
    document = json.loads(message_bundles[which])
    paths = list(places(document))[1:]
    *way, last = paths[choice % len(paths)]
    place = document
    for key in way:
        place = place[key]
    if remove:
        del place[last]
    else:
        place[last] = value
    signer = {"v1": v1, "v2": v2}[which]
    try:
        signer.verify(json.dumps(document).encode(), content)
    except (NotVerified, CannotVerify):
        return
    # What may go without being missed: the repetition of the digest, which nothing signs, and a
    # time stamp where the log's promise says the time as well. A null is an absent member.
    before = parse_bundle(message_bundles[which], "the bundle")
    after = parse_bundle(json.dumps(document).encode(), "the damaged bundle")
    assert (after.certificate, after.entry) == (before.certificate, before.entry)
    assert after.content.signature == before.content.signature
    assert set(after.timestamps) <= set(before.timestamps)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), which=st.sampled_from(["v1", "v2"]), kind=st.booleans())
def test_bundles_cut_doubled_and_shuffled_never_crash(
    v1, v2, content, message_bundles, statement_bundles, seed, which, kind
):
    source = random.Random(seed)  # noqa: S311
    bundle = bytearray((message_bundles if kind else statement_bundles)[which])
    for _ in range(source.randint(1, 4)):
        start, end = sorted(source.choices(range(len(bundle) + 1), k=2))
        piece = bytes(bundle[start : min(end, start + 40)])
        at = source.randrange(len(bundle) + 1)
        match source.randrange(3):
            case 0:
                del bundle[start : start + len(piece)]
            case 1:
                bundle[at:at] = piece
            case _:
                bundle[at : at + len(piece)] = piece
    signer = {"v1": v1, "v2": v2}[which]
    original = json.loads((message_bundles if kind else statement_bundles)[which])
    try:
        signer.verify(bytes(bundle), content)
    except (NotVerified, CannotVerify):
        return
    assert json.loads(bytes(bundle)) == original
