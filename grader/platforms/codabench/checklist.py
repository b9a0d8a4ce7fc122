"""CHECKLIST.md: what the organizer clicks, in order; what no file can say to the platform."""

from __future__ import annotations

from grader.contest_file import Contest
from grader.platforms.codabench.document import DAILY, Mode, step_seconds

NOT_SECRET = {
    Mode.WORKER: (
        "Nothing private is uploaded: the platform holds only what participants may see.",
        "A container with a participant's own command can reach the grader's socket and ask for gradings of its own: "
        "the daemon bounds them, and they tell no more than a score on test_a.",
    ),
    Mode.BUNDLE: (
        "test_a is uploaded, and reference data on Codabench must be taken for readable by participants: rank on "
        "test_b, at home.",
        "A submission may bring a command of its own that runs before the training and can write index lists: forged "
        "lists reach no more than a table of good indices would, and a notebook's time can be dodged that way; the "
        "final at home grades the notebook alone.",
    ),
}


def checklist(contest: Contest, mode: Mode, image: str) -> str:
    """Return the text of the file."""
    limit = step_seconds(contest, mode)
    daily = contest.rules.daily_limit or DAILY
    worker = mode is Mode.WORKER
    before = (
        "Set up the worker's host as `worker/README.md` says, with a queue of your own."
        if worker
        else f"Build the image and push it: `docker build -t {image} image/`, then `docker push {image}`. It must be "
        "public, or readable for your workers."
    )
    network = (
        "`.env` of `worker/` switches the network of containers off; leave it so."
        if worker
        else "Run workers of your own, with `COMPETITION_CONTAINER_NETWORK_DISABLED=True` in their `.env`: where "
        "bubblewrap cannot start, the ingestion refuses to run notebooks in a container with a network."
    )
    private = "\n".join(f"- {sentence}" for sentence in NOT_SECRET[mode])
    return f"""# Checklist for Codabench, {mode.value} mode

## Before

- [ ] {before}
- [ ] {network}
- [ ] On Codabench: *Resources, Queue Management*, *Create Queue*; keep its vhost. The default queue cuts every step
      off after 600 seconds; this contest allows {limit:,}.
- [ ] *Benchmarks, Management, Upload*: `bundle.zip`. If it is refused, the bundle is deleted there and the first fault
      named; `grader export` has checked it against the same rules.

## In the editor

- [ ] *Details*: choose the queue. Without it the default one is used.
- [ ] *Participation*: read the terms, which are general; add whom participants may ask.
- [ ] *Phases*: start and end are in UTC there. Check them{"" if contest.rules.closing else "; no end is set"}.
      {daily} submissions a day.
- [ ] *Administration*: who may register. Registration asks for your approval.

## Try it

- [ ] Submit `solution_all_samples` of the bundle as a zip: *Finished*, verdict code 0, about 0 points.
- [ ] Submit an empty notebook: *Finished*, verdict code 1, 0 points, and the reason under *Detailed results*.
- [ ] {"Stop the daemon and submit" if worker else "Submit while no worker runs, then start one"}: \
{"*Failed*, which costs nobody a submission." if worker else "it waits, and is graded."}
- [ ] Delete these submissions, publish the competition.

## While it runs

- [ ] A submission that stays *Running* for more than {2 * limit // 60} minutes is stuck: cancel and run it again.

## The final

- [ ] After the end: *Submissions*, *Download all* (`bulk_submissions.zip`), and the list that says when each came: the
      CSV at `/api/submissions/?phase=N&format=csv` of the site, where N is the number of the phase.
- [ ] `grader import codabench bulk_submissions.zip list.csv` makes a table of them; `grader batch` grades it, `grader
      final` ranks on the second test set.

## What this mode cannot keep secret

{private}
"""
