"""Signing outlasts the bad minutes of every service, within one budget, and signs nothing twice."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

import pytest
from sigstore.oidc import IdentityToken

from release_tool.core.artifact import Artifact
from release_tool.core.errors import PublishError, SigningError, TryAgain
from release_tool.core.names import RepoSlug
from release_tool.core.patience import Patience
from release_tool.core.progress import Silent
from release_tool.github.client import open_github
from release_tool.rehearsal.github.standin import start_github
from release_tool.rehearsal.outages import SERVICES, Outage, OutageKind
from release_tool.rehearsal.stack import SigstoreStack, start_sigstore
from release_tool.sigstore.sign.services import make_patience
from release_tool.sigstore.sign.session import open_session
from release_tool.sigstore.sign.token import Identity, open_identity
from release_tool.sigstore.trust.instance import SigstoreInstance
from release_tool.verify.evidence import evidence_for_digest
from release_tool.verify.verdict import verify_release

ARTIFACT = Artifact.of_bytes("model.onnx", b"a model")
SILENCE_SECONDS = 0.1
"""How long a service that hangs is waited for here."""
BUDGET_SECONDS = 20.0
REKORS = ("v1", "v2")
REPO = RepoSlug("rehearsal", "u2netp-mirror")
AWAY = [
    OutageKind.UNAVAILABLE,
    OutageKind.TOO_MANY,
    OutageKind.HANG,
    OutageKind.RESET,
    OutageKind.LOST,
]


class Told(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class World:
    """A Sigstore and a GitHub, and a patience whose pauses take no time."""

    def __init__(self, sigstore: SigstoreStack, github) -> None:
        self.sigstore, self.github = sigstore, github
        self.naps: list[float] = []
        self.told = Told()
        self.instance = SigstoreInstance(sigstore.trust_config, "the rehearsal")

    def patience(self, seconds: float = BUDGET_SECONDS) -> Patience:
        return make_patience(
            self.told, seconds, sleep=self.naps.append, answer_seconds=SILENCE_SECONDS
        )

    def fail(self, service: str, outage: Outage | None) -> None:
        if service == "github":
            self.github.fail(outage)
        else:
            self.sigstore.fail(service, outage)

    def work(self, service: str, patience: Patience) -> None:
        """Do what a release does with the service."""
        if service == "github":
            budget, silence = patience.budget, SILENCE_SECONDS
            with open_github(
                self.github.api,
                self.github.token,
                progress=self.told,
                sleep=self.naps.append,
                patience_seconds=budget,
                silence_seconds=silence,
                answer_seconds=silence,
            ) as github:
                github.fetch_repository(REPO)
            return
        identity = open_identity(self.instance, None, interactive=False, patience=patience)
        self.sign(identity, patience)

    def sign(self, identity: Identity, patience: Patience) -> None:
        with open_session(self.instance, identity, patience) as session:
            bundle = session.sign_artifact(ARTIFACT)
        root = self.instance.trusted_root
        verify_release(evidence_for_digest(ARTIFACT.digest, bundle), identity.signer, root)


@contextmanager
def start_world(rekor, monkeypatch: pytest.MonkeyPatch, **options) -> Iterator[World]:
    with start_sigstore(rekor=rekor, **options) as sigstore, start_github() as github:
        for name, value in sigstore.actions_environment().items():
            monkeypatch.setenv(name, value)
        yield World(sigstore, github)


@pytest.fixture(scope="module", params=REKORS)
def standing(request) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch, start_world(request.param, patch) as world:
        yield world


@pytest.fixture
def world(standing: World) -> Iterator[World]:
    standing.naps.clear()
    standing.told.notes.clear()
    yield standing
    for service in SERVICES:
        standing.fail(service, None)


CELLS = [(service, kind) for service in SERVICES for kind in OutageKind]
REFUSED = dict.fromkeys(SERVICES, SigningError) | {"github": PublishError}


@pytest.mark.parametrize(("service", "kind"), CELLS)
def test_two_bad_answers_are_outlasted_unless_they_are_a_refusal(world, service, kind):
    # Of GitHub two answers that take too long are enough to give up.
    world.fail(service, Outage(kind, times=1 if (service, kind) == ("github", "hang") else 2))
    work = partial(world.work, service, world.patience())
    if kind is OutageKind.CONFLICT and service != "rekor":
        with pytest.raises(REFUSED[service], match="answered 409"):
            work()
        assert not world.naps
        return
    work()
    assert len(world.naps) == (0 if kind is OutageKind.CONFLICT else len(world.told.notes))
    assert all("in " in note and " s" in note for note in world.told.notes)


@pytest.mark.parametrize(("service", "kind"), [cell for cell in CELLS if cell[1] in AWAY])
def test_an_outage_without_end_ends_with_the_budget(world, service, kind):
    world.fail(service, Outage(kind))
    begun = time.monotonic()
    entries = len(world.sigstore.rekor.entries)
    with pytest.raises(TryAgain):
        world.work(service, world.patience())
    assert sum(world.naps) <= BUDGET_SECONDS
    assert time.monotonic() - begun < BUDGET_SECONDS / 2
    if service != "rekor":
        assert len(world.sigstore.rekor.entries) == entries


def test_a_log_that_refuses_every_signature_is_a_refusal(world):
    world.fail("rekor", Outage(OutageKind.CONFLICT))
    with pytest.raises(SigningError, match="the log answers 409 to every new signature"):
        world.work("rekor", world.patience())


def test_an_entry_whose_answer_was_lost_is_taken_where_the_log_gives_it(world):
    entries = len(world.sigstore.rekor.entries)
    world.fail("rekor", Outage(OutageKind.LOST, times=1))
    world.work("rekor", world.patience())
    # Version 2 gives no entry after a conflict: it is signed anew.
    assert len(world.sigstore.rekor.entries) == entries + world.sigstore.rekor.api_version


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_what_a_service_asks_to_wait_is_waited(world, form):
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=9), usegmt=True)
    after = moment if form == "date" else "9"
    world.fail("fulcio", Outage(OutageKind.TOO_MANY, times=1, retry_after=after))
    world.work("fulcio", world.patience())
    assert 8 <= sum(world.naps) <= 10


def test_who_asks_for_more_than_is_left_is_not_waited_for_at_all(world):
    world.fail("tsa", Outage(OutageKind.TOO_MANY, retry_after="3600"))
    with pytest.raises(TryAgain, match=r"asks to wait until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"):
        world.work("tsa", world.patience())
    assert not world.naps


def test_the_end_says_how_long_and_what_to_do(world):
    world.fail("rekor", Outage(OutageKind.UNAVAILABLE))
    with pytest.raises(TryAgain, match=r"answered 503: an outage; waited 20 s") as caught:
        world.work("rekor", world.patience())
    assert math.isclose(sum(world.naps), BUDGET_SECONDS, abs_tol=2)
    assert "--patience" in str(caught.value.hint)
    assert "waiting 20 s at most" in world.told.notes[0]


class Moving:
    """A clock that runs by itself, and jumps where somebody pauses."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def seconds(self) -> float:
        return self().timestamp()

    def pause(self, seconds: float) -> None:
        self.ahead += seconds


@pytest.fixture
def moving(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, Moving, Patience]]:
    """A world whose clock, and that of the patience, jumps with each pause; Rekor is away."""
    clock = Moving()
    with start_world("v1", monkeypatch, clock=clock) as world:
        patience = make_patience(
            world.told, 1200.0, sleep=clock.pause, clock=clock.seconds, answer_seconds=1.0
        )
        world.fail("rekor", Outage(OutageKind.UNAVAILABLE, seconds=700, clock=clock.seconds))
        yield world, clock, patience


def make_identity(world: World, clock: Moving, **again) -> Identity:
    """Make an identity whose token can be had again, good by the clock and here and now."""
    now = int(time.time())

    def make(**claims) -> str:
        end = int(clock.seconds()) + 300
        return world.sigstore.make_identity_token(iat=now, nbf=now, exp=end, **claims)

    return Identity(IdentityToken(make()), partial(make, **again))


def test_a_certificate_that_ran_out_while_waiting_is_replaced_and_the_token_too(moving):
    world, clock, patience = moving
    world.sign(make_identity(world, clock), patience)
    # Nothing is in the log but what the second certificate signed.
    assert len(world.sigstore.ctlog.entries) == 2
    assert len(world.sigstore.rekor.entries) == 1
    assert 700 <= clock.ahead <= 1200


def test_another_identity_in_place_of_the_expired_one_is_refused(moving):
    world, clock, patience = moving
    identity = make_identity(world, clock, ref="refs/heads/other")
    with pytest.raises(SigningError, match="another identity came in place"):
        world.sign(identity, patience)


def test_a_token_that_was_given_cannot_be_had_again(moving):
    world, clock, patience = moving
    given = Identity(make_identity(world, clock).token)
    with pytest.raises(SigningError, match="identity has expired") as caught:
        world.sign(given, patience)
    assert "give a fresh OIDC token" in str(caught.value.hint)


def test_a_certificate_that_has_run_out_when_it_comes_is_refused(world):
    late = partial(make_patience, clock=lambda: time.time() + 3600)
    identity = Identity(IdentityToken(world.sigstore.make_identity_token(exp=2**31)))
    with pytest.raises(SigningError, match="has run out already"):
        world.sign(identity, late())
