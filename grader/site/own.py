"""A participant's own submissions, from the public view: what came of each, which counts, how many are left today."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from grader.contest import DONE, utc_text
from grader.safe_io import plain_name, plain_text
from grader.site.asking import Look
from grader.verdicts import Verdict

OURS = Verdict.INFRASTRUCTURE_ERROR.value


@dataclass(frozen=True)
class Own:
    """One submission of a participant.

    Attributes:
        id: its number in the store.
        receipt: its name in addresses; None where it did not come by the site.
        file: the file's name: foreign text, made plain.
        file_sha256, submitted_at, received_at: see the store; `received_at` is None where it did not come by the site.
        final: whether it was chosen for the final.
        phase: of its grading: "waiting" and so on, "done", or None where it did not come by the site.
        verdict: of its finished grading on the public board; "" without one, `OURS` where all failed by our own fault.
        points, message, run: of that grading; None, "" and "" without one.
        aside: why an organizer set it aside: it counts nowhere then; None where nobody did.
    """

    id: int
    receipt: str | None
    file: str
    file_sha256: str
    submitted_at: str
    received_at: str | None
    final: bool
    phase: str | None
    verdict: str
    points: int | None
    message: str
    run: str
    aside: str | None = None

    @property
    def waits(self) -> bool:
        """Whether its result is still to come."""
        return not self.verdict and self.phase is not None and self.aside is None


def own_submissions(look: Look) -> list[Own]:
    """Return the submissions of the participant who asks, newest first."""
    results: dict[int, list[dict[str, Any]]] = defaultdict(list)
    seed = look.site.contest.grading.seed
    for result in look.rows(
        "SELECT r.* FROM site_results r JOIN site_submissions s ON s.id = r.submission_id "
        "WHERE s.participant_id = ? AND seed = ? ORDER BY r.id",
        look.me,
        seed,
    ):
        results[result["submission_id"]].append(result)
    rows = look.rows(
        "SELECT * FROM site_submissions WHERE participant_id = ? ORDER BY submitted_at DESC, id DESC", look.me
    )
    return [own(row, results[row["id"]]) for row in rows]


def own(row: dict[str, Any], results: list[dict[str, Any]]) -> Own:
    """Make one of a row of `site_submissions`, and of its rows of `site_results`, oldest first."""
    finished = [result for result in results if result["verdict"] != OURS]
    result = next(reversed(finished or results), None)
    waits = row["phase"] not in (None, DONE) and not finished
    return Own(
        id=row["id"],
        receipt=row["receipt"],
        file=plain_name(row["file_name"].rpartition("/")[2]),
        file_sha256=row["file_sha256"],
        submitted_at=row["submitted_at"],
        received_at=row["received_at"],
        final=bool(row["final"]),
        phase=row["phase"],
        verdict="" if waits or result is None else result["verdict"],
        points=None if not finished else finished[-1]["points"],
        message="" if not finished else plain_text(finished[-1]["message"]),
        run="" if not finished else finished[-1]["run"],
        aside=row["aside"],
    )


def used_today(submissions: Sequence[Own], now: datetime) -> int:
    """Return how many of a participant's submissions of this UTC day use up the limit."""
    day = utc_text(now)[:10]
    return sum(each.submitted_at[:10] == day and each.verdict != OURS for each in submissions)
