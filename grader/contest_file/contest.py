"""What can stand in a contest file: tables, keys, defaults, and what each is for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from competition.task.constants import NUM_THREADS, SEED
from grader.contest_file.kinds import ADDRESS, DRAW, MOMENT, PATH, TEXT, Kind, choice, number, whole
from grader.options import LARGEST_SEED, Device
from grader.sandbox import DEFAULT_IMAGE, Backend, default_limits


class Policy(StrEnum):
    """Which submission counts on the public board."""

    BEST = "best"
    LAST = "last"


class Audience(StrEnum):
    """Who sees the board on the site."""

    PUBLIC = "public"
    MEMBERS = "members"


@dataclass(frozen=True)
class Key:
    """What is known of a key; it annotates the attribute of the same name.

    Attributes:
        kind: what its value must be.
        caption: what it is for: one sentence, maybe more.
        example: a value as TOML writes it, for a key that has no default.
    """

    kind: Kind
    caption: str
    example: str = ""


@dataclass(frozen=True)
class GradingTable:
    """``[grading]``: how every submission is graded. The captions of the keys stand for attributes."""

    device: Annotated[Device, Key(choice(Device), "Where to train: auto is the GPU where there is one.")] = Device.AUTO
    threads: Annotated[int, Key(whole(1), "CPU threads of one grading; another number gives other bits.")] = NUM_THREADS
    seed: Annotated[int, Key(whole(0, LARGEST_SEED), "The training's seed of the public board.")] = SEED
    sandbox: Annotated[
        Backend, Key(choice(Backend), "How notebooks are isolated; none isolates nothing: for trusted ones only.")
    ] = Backend.BWRAP
    image: Annotated[str, Key(TEXT, "With podman or docker: the image that 'make image' built.")] = DEFAULT_IMAGE
    time_limit: Annotated[
        float | None, Key(number(1), "Seconds that the training may wait for a notebook; without it, 280.", "280")
    ] = None
    guard: Annotated[
        float | None,
        Key(
            number(1),
            "Wall clock of a grading in seconds; without it, 360 on a GPU, 1800 on a CPU.",
            "1800",
        ),
    ] = None
    workers: Annotated[int | None, Key(whole(1), "Gradings at once; more than one run on Ray. Without it, 1.", "4")] = (
        None
    )
    ray_address: Annotated[
        str | None, Key(TEXT, "A running Ray cluster; without workers, as many as it holds.", '"192.168.0.1:6379"')
    ] = None
    num_gpus: Annotated[
        float | None,
        Key(
            number(0), "GPUs of one grading on Ray; fractions share one. Without it, 1 where the device is cuda.", "0.5"
        ),
    ] = None


@dataclass(frozen=True)
class RulesTable:
    """``[rules]``: which submissions count. The captions of the keys stand for attributes."""

    opening: Annotated[
        datetime | None, Key(MOMENT, "What was submitted earlier does not count.", "2026-03-01T09:00:00+01:00")
    ] = None
    closing: Annotated[
        datetime | None,
        Key(
            MOMENT,
            "What was submitted later does not count; the time at which a submission began is the one that matters.",
            "2026-03-31T18:00:00+02:00",
        ),
    ] = None
    policy: Annotated[Policy, Key(choice(Policy), "Which submission of a participant counts on the public board.")] = (
        Policy.BEST
    )
    daily_limit: Annotated[
        int | None, Key(whole(1), "Only the first so many submissions of each UTC day count; without it, all.", "5")
    ] = None


@dataclass(frozen=True)
class FinalTable:
    """``[final]``: the ranking on the second test set. The captions of the keys stand for attributes.

    With the public board's seed and draw the stored models are scored; with others the finalists are trained anew.
    """

    seed: Annotated[
        int,
        Key(whole(0, LARGEST_SEED), "The first training seed; one that nobody knew has the finalists trained anew."),
    ] = SEED
    seeds: Annotated[int, Key(whole(1), "So many training seeds, from the first on; the mean over them ranks.")] = 1
    train: Annotated[str, Key(DRAW, "The training draw; redraw-1 if build-data made it with --redraw.")] = "train"
    choices: Annotated[int, Key(whole(1), "How many submissions a participant may choose for the final.")] = 2


@dataclass(frozen=True)
class SiteTable:
    """``[site]``: the site of `grader serve`. The captions of the keys stand for attributes."""

    url: Annotated[
        str | None,
        Key(
            ADDRESS,
            "What participants type, with a proxy in front; without it the site is for its own machine alone.",
            '"https://contest.example.org"',
        ),
    ] = None
    board: Annotated[
        Audience, Key(choice(Audience), "Who sees the board: public, or members only (participants and screens).")
    ] = Audience.PUBLIC
    largest_kib: Annotated[int, Key(whole(64, 16 << 10), "The largest notebook that is taken, in KiB.")] = 2048


@dataclass(frozen=True)
class Contest:
    """A contest: what its file says, with defaults for what it leaves open.

    Attributes:
        title, data, submissions, runs, store: see their captions; paths start at the working folder.
        grading, rules, final, site: the tables.
        file: where all this was read; None where there is no file, and these are the defaults.
    """

    title: Annotated[str, Key(TEXT, "What stands above the leaderboard.")] = "Learning from noisy labels"
    data: Annotated[Path, Key(PATH, "The folder that 'competition build-data' made.")] = Path("data")
    submissions: Annotated[Path, Key(PATH, "What is handed in: a folder, or a CSV.")] = Path("submissions")
    runs: Annotated[Path, Key(PATH, "Where run folders are kept.")] = Path("runs")
    store: Annotated[Path, Key(PATH, "The SQLite file that keeps submissions and gradings.")] = Path("contest.sqlite")
    grading: GradingTable = GradingTable()
    rules: RulesTable = RulesTable()
    final: FinalTable = FinalTable()
    site: SiteTable = SiteTable()
    file: Path | None = None

    def fault(self) -> str | None:
        """Say which values do not go together; None where all do."""
        grading, rules, final = self.grading, self.rules, self.final
        wait = grading.time_limit or default_limits("cpu").seconds
        if grading.guard is not None and grading.guard <= wait:
            return f"[grading] guard is {grading.guard:g}: expected more than the {wait:g} s of time_limit"
        if rules.opening is not None and rules.closing is not None and rules.opening >= rules.closing:
            return f"[rules] closing is {rules.closing}: expected a time after the opening, {rules.opening}"
        if final.seed + final.seeds - 1 > LARGEST_SEED:
            return f"[final] seeds is {final.seeds}: expected none beyond {LARGEST_SEED}, from seed {final.seed} on"
        return None


DEFAULT = Contest()
