"""From the store to a leaderboard: collect what was graded, score stored models where a split is new, rank.

A board shows gradings of one template, one training draw, one split and one set of training seeds. Where a submission
was graded under several other conditions (threads, device, sandbox, versions), the latest grading counts; a notice says
when the rows of a board differ in them. Nothing is trained here: what is missing is named, for ``grader batch``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from grader.contest.events import Cut
from grader.contest.policy import Candidate, counted, finalists, outside_of, within_daily_limit
from grader.contest.reuse import Reuse, grading_key
from grader.contest.standings import Contender, Standings, public_ranks, rank_rows
from grader.contest.store import Grading, Key, Kind, Received, Store
from grader.contest_file import DEFAULT, Policy
from grader.grading import Settings
from grader.safe_io import plain_name
from grader.verdicts import Verdict

PUBLIC, FINAL = "test_a", "test_b"
STEADY_SEEDS = 5
"""From so many training seeds on, disjoint sets of them rank alike what is apart: ``benchmarks/ranking.py``."""
COMPARABLE = ("template_sha256", "data_sha256", "train")
CONDITIONS = ("device", "threads", "time_limit", "sandbox")


@dataclass(frozen=True)
class Rules:
    """How a board is made.

    Attributes:
        data: the data folder.
        policy: which submission counts on the public board.
        daily_limit: how many submissions of a UTC day count; None for all.
        seeds: training seeds.
        public_seed: the training seed of the public board behind a final ranking.
        train: the training draw; the public board behind a final ranking has "train".
        opening, closing: what was submitted outside does not count; None where there is no bound.
        frozen: of the store only this much is shown, as by a frozen board; None for all.
        choices: how many submissions a participant may choose for the final.
    """

    data: Path
    policy: Policy
    daily_limit: int | None
    seeds: tuple[int, ...]
    public_seed: int
    train: str = "train"
    opening: datetime | None = None
    closing: datetime | None = None
    frozen: Cut | None = None
    choices: int = DEFAULT.final.choices


@dataclass(frozen=True)
class Board:
    """A leaderboard, and what the organizer should know about it.

    Attributes:
        standings: the rows.
        missing: submissions of which the board needs a grading that the store has not.
        notices: other things, one sentence each.
        counted: the submission that counts, of every participant with one, by name.
        attempts: all that each participant handed in, as it was graded for the public board, by name.
    """

    standings: Standings
    missing: tuple[Received, ...]
    notices: tuple[str, ...]
    counted: Mapping[str, Candidate]
    attempts: Mapping[str, list[Candidate]]


class Collector:
    """Reads the candidates of a board from the store, deriving what needs no training.

    Args:
        store: the contest.
        reuse: scores stored models on other splits.
        cut: how much of the store is read; None for all.
    """

    def __init__(self, store: Store, reuse: Reuse, cut: Cut | None = None) -> None:
        self._reuse = reuse
        self._submissions: dict[tuple[Kind, str], list[Received]] = defaultdict(list)
        for submission in store.submissions():
            hidden = cut is not None and submission.id > cut.last_submission
            if not submission.removed and not hidden:
                self._submissions[submission.kind, submission.participant].append(submission)
        self._gradings: dict[int, list[Grading]] = defaultdict(list)
        for grading in store.gradings():
            if cut is None or grading.id <= cut.last_grading:
                self._gradings[grading.submission_id].append(grading)

    def of_kind(self, kind: Kind) -> dict[str, list[Received]]:
        """Return the submissions of every participant, or reference, by name: those that were set aside too."""
        return {name: received for (which, name), received in self._submissions.items() if which is kind}

    def candidate(self, submission: Received, key: Key, seeds: tuple[int, ...]) -> Candidate:
        """Collect one submission's gradings; `key` says on what, its code and seed apart."""
        gradings = []
        attempts = 0
        for seed in seeds:
            comparable = [
                grading
                for grading in self._gradings[submission.id]
                if grading.key.seed == seed
                and all(getattr(grading.key, name) == getattr(key, name) for name in COMPARABLE)
            ]
            attempts += len(comparable)
            finished = [grading for grading in comparable if grading.record.verdict is not Verdict.INFRASTRUCTURE_ERROR]
            grading = next((found for found in reversed(finished) if on_split(found, key)), None)
            if grading is None and finished:
                wanted = replace(finished[-1].key, split=key.split, split_sha256=key.split_sha256)
                grading = self._reuse.derive(submission, wanted)
            if grading is not None:
                gradings.append(grading)
        records, runs = tuple(found.record for found in gradings), tuple(found.run for found in gradings)
        return Candidate(submission, records, len(seeds), failed=attempts > 0 and not records, runs=runs)


def on_split(grading: Grading, key: Key) -> bool:
    """Say whether a grading scored the split that `key` names."""
    return (grading.key.split, grading.key.split_sha256) == (key.split, key.split_sha256)


def make_board(store: Store, runs: Path, split: str, rules: Rules, title: str) -> Board:
    """Make the board of a split; on the final one, with the shift of ranks from the public board.

    Raises:
        ValueError: the finalists are to be the best of a public board on which nobody has a result, or somebody chose
            too many.
        InfrastructureError: the data is missing, or a derived run cannot be written.
    """
    collector = Collector(store, Reuse(store, runs, rules.data), rules.frozen)
    handed_in = collector.of_kind(Kind.PARTICIPANT)
    timely, untimely = in_time([submission for received in handed_in.values() for submission in received], rules)
    participants: dict[str, list[Received]] = defaultdict(list)
    for submission in timely:
        participants[submission.participant].append(submission)
    public_rules = rules if split == PUBLIC else replace(rules, seeds=(rules.public_seed,), train="train")
    public_key = board_key(public_rules, PUBLIC)
    everything = {
        name: [collector.candidate(submission, public_key, public_rules.seeds) for submission in received]
        for name, received in participants.items()
    }
    counting = {name: own for name, received in participants.items() if (own := counting_of(received))}
    shown = {name: counting_candidates(everything[name], rules.daily_limit) for name in counting}
    lost = [each for own in everything.values() for each in own if each.failed and each.submission.counts]
    choice = {name: counted(candidates, rules.policy) for name, candidates in shown.items()}
    contenders = [contender(name, received, choice[name]) for name, received in counting.items()]
    key = board_key(rules, split)
    if split != PUBLIC:
        require_few_choices(shown, rules)
        require_public_results(shown, rules)
        ranks = public_ranks(rank_rows(contenders))
        shown = {
            name: [
                collector.candidate(each, key, rules.seeds)
                for each in finalists(candidates, rules.policy, rules.choices)
            ]
            for name, candidates in shown.items()
        }
        choice = {name: counted(candidates, Policy.BEST) for name, candidates in shown.items()}
        contenders = [
            replace(contender(name, received, choice[name]), public_rank=ranks.get(name))
            for name, received in counting.items()
        ]
    references = {
        name: collector.candidate(received[-1], key, rules.seeds)
        for name, all_of_it in collector.of_kind(Kind.REFERENCE).items()
        if (received := counting_of(all_of_it))
    }
    contenders += [
        replace(contender(name, [candidate.submission], candidate), reference=True)
        for name, candidate in references.items()
    ]
    oracles = [
        collector.candidate(received[-1], key, rules.seeds) for received in collector.of_kind(Kind.ORACLE).values()
    ]
    standings = Standings(
        title=title,
        split=split,
        rows=rank_rows(contenders),
        bound=oracles[0].bac_mean if oracles else None,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    expected = [candidate for candidates in shown.values() for candidate in candidates]
    expected += [*references.values(), *oracles, *(lost if split == PUBLIC else ())]
    ranked = [candidate for candidate in choice.values() if candidate is not None]
    return Board(
        standings=standings,
        missing=tuple(candidate.submission for candidate in expected if len(candidate.records) < candidate.wanted),
        notices=(*untimely, *differing_conditions(ranked), *few_seeds(split, rules.seeds)),
        counted={name: candidate for name, candidate in choice.items() if candidate is not None},
        attempts=everything,
    )


def counting_of(received: list[Received]) -> list[Received]:
    """Return the submissions that were not set aside."""
    return [submission for submission in received if submission.counts]


def counting_candidates(candidates: list[Candidate], limit: int | None) -> list[Candidate]:
    """Return one participant's candidates that count; one that was set aside has used up its place in the limit."""
    return [each for each in within_daily_limit(candidates, limit) if each.submission.counts]


def in_time(submissions: list[Received], rules: Rules) -> tuple[list[Received], list[str]]:
    """Return the submissions between opening and closing, and one sentence each about those before and after."""
    timely, untimely = [], defaultdict(list)
    for submission in submissions:
        missed = outside_of(submission, rules.opening, rules.closing)
        if missed is None:
            timely.append(submission)
        else:
            file = plain_name(submission.path.name)
            untimely[missed].append(f"{plain_name(submission.participant)}'s {file} of {submission.submitted_at}")
    return timely, [f"{missed}, so it does not count: {', '.join(which)}" for missed, which in untimely.items()]


def require_few_choices(shown: dict[str, list[Candidate]], rules: Rules) -> None:
    """Raise `ValueError` where somebody chose more submissions for the final than are allowed."""
    for name, candidates in shown.items():
        chosen = sum(candidate.submission.final for candidate in candidates)
        if chosen > rules.choices:
            raise ValueError(
                f"{plain_name(name)} has {chosen} submissions marked final, {rules.choices} are allowed: mark the "
                "others with 0 in the CSV's column 'final', or allow more with choices in contest.toml"
            )


def require_public_results(shown: dict[str, list[Candidate]], rules: Rules) -> None:
    """Raise `ValueError` where somebody's finalists would be the best of a public board that nobody has a result on."""
    undecided = [
        name
        for name, candidates in shown.items()
        if len(candidates) > 1 and not any(candidate.submission.final for candidate in candidates)
    ]
    graded = any(candidate.records for candidates in shown.values() for candidate in candidates)
    if undecided and not graded and rules.policy is Policy.BEST:
        raise ValueError(
            f"the best of {plain_name(undecided[0])}'s {len(shown[undecided[0]])} submissions compete, but nobody was "
            f"graded on the public board with seed {rules.public_seed}: name its seed with --public-seed, or grade it "
            "with 'grader batch'"
        )


def board_key(rules: Rules, split: str) -> Key:
    """Return the key of a board's gradings; what a board leaves open has the defaults in it."""
    return grading_key(Settings(rules.data, split, train=rules.train), code="")


def contender(name: str, received: list[Received], candidate: Candidate | None) -> Contender:
    """Make a participant's contender, from all that they handed in and the one that counts."""
    last = max(submission.submitted_at for submission in received)
    return Contender(name, reference=False, submissions=len(received), last=last, counted=candidate)


def few_seeds(split: str, seeds: tuple[int, ...]) -> list[str]:
    """Say so where a final ranks by so few training seeds that others would rank otherwise."""
    if split == PUBLIC or len(seeds) >= STEADY_SEEDS:
        return []
    return [
        f"close places may be chance: this ranks by the mean over {len(seeds)} training seed{'s' * (len(seeds) > 1)}; "
        f"from {STEADY_SEEDS} on others would rank alike what is 0.01 of BAC apart ('seeds' of [final] in contest.toml)"
    ]


def differing_conditions(candidates: list[Candidate]) -> list[str]:
    """Say, one sentence each, in which conditions the rows of a board differ that should be equal."""
    conditions = [
        {name.replace("_", " "): str(getattr(record, name)) for name in CONDITIONS} | record.versions
        for candidate in candidates
        for record in candidate.records
    ]
    sentences = []
    for name in conditions[0] if conditions else ():
        values = sorted({each.get(name, "none") for each in conditions})
        if len(values) > 1:
            sentences.append(f"rows differ in {name}: {', '.join(values)}")
    return sentences
