"""Carries out the steps of a plan, and keeps what one run learns on its way.

It chooses no step. What fails in a way that leaves the server's state in doubt ends the plan, and
the state is read again.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.errors import ConflictError, PublishError, ReleaseToolError, TryAgain
from release_tool.core.names import Latest, RepoSlug, Tag
from release_tool.core.progress import Progress
from release_tool.github.client import GitHub
from release_tool.github.failures import AlreadyExists, Forbidden, NotFound
from release_tool.github.plan import (
    MakeDraft,
    MeasureAsset,
    Publish,
    PublishingPlan,
    RemoveAsset,
    RemoveDraft,
    RestoreTag,
    ServerState,
    Step,
    UploadAsset,
    Wanted,
    is_same,
    read_marker,
)
from release_tool.github.remote import RemoteRelease
from release_tool.github.state import fetch_draft, fetch_state
from release_tool.github.target import Ready, explain_refusal, find_target
from release_tool.net.failures import AnswerLost

MAX_FAILURES = 4
POLL_SECONDS = 2.0
LIST_LAG_POLLS = 3
READ_BACK_POLLS = 15
UPLOAD_GRACE_SECONDS = 15.0
SLOW_UPLOAD_BYTES_PER_SECOND = 1_000_000
"""Another run's upload is believed dead once it is older than it would take at this rate."""


@dataclass(frozen=True, slots=True)
class PublishingJob:
    """What is to be published, and how it is to be presented."""

    repo: RepoSlug
    wanted: Wanted
    files: Mapping[str, Path]
    target: str | None
    title: str
    body: str
    latest: Latest | None


@dataclass(slots=True)
class Run:
    """One run: the draft it works on, the digests it measured, the failures it has had.

    `branch` is the repository's default one. `maybe_published` is the id of a draft whose
    publication was ordered and not surely refused.
    """

    github: GitHub
    job: PublishingJob
    progress: Progress
    branch: str
    state: ServerState = field(default_factory=ServerState)
    held: RemoteRelease | None = None
    ready: Ready | None = None
    look_around: bool = True
    just_made: bool = False
    releases_other_things: bool = False
    maybe_published: int | None = None
    drafts_made: int = 0
    measured: dict[int, Sha256] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    broken_uploads: set[str] = field(default_factory=set)

    def read(self) -> None:
        """Read the server's state: of the held draft alone, or of everything where in doubt."""
        repo, tag = self.job.repo, self.job.wanted.tag
        if self.held is not None and not self.look_around:
            # GitHub's answer to making a draft is the draft, still without assets.
            fresh = self.held if self.just_made else fetch_draft(self.github, repo, self.held.id)
            self.just_made = False
            if fresh is not None:
                self.held = fresh
                self.state = ServerState(None, (fresh,), self.measured, fresh.id)
                return
        self.state = fetch_state(self.github, repo, tag, self.measured, self.held)
        self.look_around = False
        self.releases_other_things = self.state.releases_other_things
        if self.held is not None and self.held.id not in {item.id for item in self.state.drafts}:
            self.held = None

    def adopt(self) -> bool:
        """Take hold of a draft that an earlier run left; true where its assets are to be read."""
        if self.held is not None:
            return False
        wanted = self.job.wanted
        same = [draft for draft in self.state.drafts if is_same(wanted, draft)]
        if not same:
            return False
        self.held = min(same, key=lambda draft: draft.id)
        names = {artifact.name for artifact in wanted.artifacts}
        present = sum(asset.name in names for asset in self.held.assets)
        self.progress.note(f"resuming a draft that holds {present} of {len(names)} assets")
        return True

    def is_settling(self) -> bool:
        """Wait a little where a published release cannot be found by its tag yet.

        Raises `ConflictError` where GitHub published it under another tag, and `TryAgain` where
        it stays hidden.
        """
        if self.held is not None:
            self.maybe_published = None  # it was read as a draft after all
        if self.maybe_published is None:
            return False
        fresh = self.github.fetch_release(self.job.repo, self.maybe_published)
        if fresh is None or fresh.draft:
            self.maybe_published = None
            return False
        if fresh.tag != self.job.wanted.tag.name:
            raise ConflictError(
                f"GitHub published the release under the tag {fresh.tag[:120]}",
                hint=f"correct or delete it by hand: {fresh.url[:200]}",
            )
        self.failures["read back"] += 1
        if self.failures["read back"] > READ_BACK_POLLS:
            raise TryAgain(f"the published release cannot be found by its tag {fresh.tag} yet")
        self.github.patience.pause(POLL_SECONDS)
        self.look_around = True
        return True

    def act(self, plan: PublishingPlan) -> None:
        """Carry out the steps until one leaves the state in doubt; the others are planned anew."""
        for step in plan.steps:
            try:
                if not self.perform(step):
                    return
            except (AnswerLost, NotFound, AlreadyExists) as error:
                self.excuse(step, error)
                return

    def excuse(self, step: Step, error: ReleaseToolError) -> None:
        """Let a failure pass that a fresh look may explain, four times a step and thing."""
        if isinstance(step, MakeDraft) and isinstance(error, NotFound):
            raise error  # the repository is there, so the token may not write to it
        self.count(describe(step), error)
        self.look_around = True

    def count(self, key: str, error: ReleaseToolError) -> None:
        """Count a failure, say it and wait a little; raises `error` once there were too many."""
        self.failures[key] += 1
        if self.failures[key] > MAX_FAILURES:
            raise error
        self.progress.note(f"{error}; looking again")
        self.github.patience.pause(self.github.patience.backoff(self.failures[key]))

    def perform(self, step: Step) -> bool:
        """Carry out one step; false where the plan is to be made anew."""
        github, repo, tag = self.github, self.job.repo, self.job.wanted.tag
        match step:
            case MakeDraft():
                self.make_draft(self.prepare())
                return False
            case RestoreTag(draft):
                github.send_tag(repo, draft, tag)
            case MeasureAsset(asset):
                self.progress.note(f"downloading {asset.name[:200]}: GitHub gives no digest of it")
                self.measured[asset.id] = github.fetch_asset_digest(repo, asset)
            case RemoveAsset():
                return self.remove_asset(step)
            case UploadAsset():
                self.upload(step)
            case Publish(draft):
                self.publish(draft, self.prepare())
                return False
            case RemoveDraft(draft):
                self.clear_away(draft)
        return True

    def clear_away(self, draft: RemoteRelease) -> None:
        """Remove a draft that is of no use any more; what is published stands without it."""
        try:
            remove_draft(self.github, self.job.repo, self.job.wanted.tag, draft)
        except ReleaseToolError as error:
            self.progress.note(f"the draft {draft.id} stays: {error}")

    def prepare(self) -> Ready:
        """Find out once, before anything is made, which commit the tag will stand for."""
        if self.ready is None:
            job = self.job
            self.ready = find_target(self.github, job.repo, self.branch, job.wanted.tag, job.target)
        return self.ready

    def make_draft(self, ready: Ready) -> None:
        """Make a draft; if the answer is lost, look for it for some seconds before giving up."""
        job = self.job
        if self.drafts_made == MAX_FAILURES:
            raise TryAgain(f"the drafts made for {job.wanted.tag} keep vanishing")
        try:
            self.held = self.github.send_draft(
                job.repo, job.wanted.tag, target=ready.target, title=job.title, body=job.body
            )
            self.drafts_made += 1
            self.just_made = True
        except Forbidden as error:
            explain_refusal(ready, job.repo, job.wanted.tag, error)
            raise
        except AnswerLost:
            # A new draft may be missing from the list for seconds; one made twice is not lost,
            # it goes after publishing.
            for _ in range(LIST_LAG_POLLS):
                self.github.patience.pause(POLL_SECONDS)
                listed = self.github.fetch_releases(job.repo)
                same = [draft for draft in listed if is_same(job.wanted, draft)]
                if same:
                    self.held = min(same, key=lambda draft: draft.id)
                    return
            raise

    def upload(self, step: UploadAsset) -> None:
        """Upload one file, remembering a broken attempt, whose remains are then ours."""
        name = step.artifact.name
        try:
            self.github.send_asset(step.draft, step.artifact, self.job.files[name])
        except AnswerLost:
            self.broken_uploads.add(name)
            raise

    def remove_asset(self, step: RemoveAsset) -> bool:
        """Remove a bad asset from our draft; false where it is bad no more.

        1. What may be another run's upload under way is given time to end.
        2. The draft is read once more: what is published is never touched, and GitHub has no
           conditional requests, so this narrows a race that cannot be closed from here.
        """
        github, repo = self.github, self.job.repo
        if step.patient and step.asset.name not in self.broken_uploads:
            self.await_upload(step)
        fresh = fetch_draft(github, repo, step.draft.id)
        found = [asset for asset in fresh.assets if asset.id == step.asset.id] if fresh else []
        if fresh is None or found != [step.asset]:
            self.look_around = fresh is None
            return False
        self.progress.note(f"removing the asset {step.asset.name[:200]}: {step.why}")
        github.send_removal(repo, step.asset)
        if not step.patient:
            wrong = f"the asset {step.asset.name[:200]} stays wrong: {step.why}"
            self.count(f"asset {step.asset.name}", PublishError(wrong))
        return True

    def await_upload(self, step: RemoveAsset) -> None:
        """Wait while an asset may still be on its way, as long as a slow upload would take."""
        size = max(
            (item.size for item in self.job.wanted.artifacts if item.name == step.asset.name),
            default=0,
        )
        age = self.github.now - step.asset.created_at
        left = UPLOAD_GRACE_SECONDS + size / SLOW_UPLOAD_BYTES_PER_SECOND - max(age, 0.0)
        if left > 0:
            self.progress.note(f"{step.asset.name[:200]} may be another run's upload; waiting")
        while left > 0:
            self.github.patience.pause(min(POLL_SECONDS, left))
            left -= POLL_SECONDS
            if step.asset not in self.github.fetch_assets(self.job.repo, step.draft.id):
                return

    def choose_latest(self) -> Latest:
        """Say whether this becomes the repository's latest release, as asked for or as fits.

        Users of a repository that releases software too expect that software under "latest".
        """
        if self.job.latest is not None:
            return self.job.latest
        if not self.releases_other_things:
            return Latest.YES
        self.progress.note(
            "not marked as the latest release: this repository releases other things too; "
            "--latest yes marks it"
        )
        return Latest.NO

    def publish(self, draft: RemoteRelease, ready: Ready) -> None:
        """Publish the draft, and after a refusal find out whether it is visible all the same."""
        job = self.job
        self.maybe_published = draft.id
        self.look_around = True
        try:
            self.github.send_publication(
                job.repo,
                draft,
                job.wanted.tag,
                target=ready.repeated,
                latest=self.choose_latest(),
            )
        except (PublishError, ConflictError) as error:
            fresh = self.github.fetch_release(job.repo, draft.id)
            if fresh is None or fresh.draft:
                self.maybe_published = None
                explain_refusal(ready, job.repo, job.wanted.tag, error)
                raise


def remove_draft(github: GitHub, repo: RepoSlug, tag: Tag, draft: RemoteRelease) -> bool:
    """Remove a draft of ours after reading it once more; tell whether it was still one."""
    fresh = github.fetch_release(repo, draft.id)
    if fresh is None or not read_marker(tag, fresh):
        return False
    github.send_removal(repo, fresh)
    return True


def describe(step: Step) -> str:
    """Name a step and what it is about, for counting failures."""
    match step:
        case UploadAsset(_, artifact):
            return f"upload {artifact.name}"
        case MeasureAsset(asset) | RemoveAsset(_, asset):
            return f"{type(step).__name__} {asset.name}"
    return type(step).__name__
