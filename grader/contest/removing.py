"""The command ``grader remove``: somebody who was entered by mistake counts nowhere, and can be taken back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from grader.contest.options import StoreOption
from grader.contest.removals import Removal
from grader.contest.store import Kind, open_existing, utc_text
from grader.contest_file import DEFAULT, ContestOption
from grader.options import fail, say
from grader.safe_io import plain_name
from grader.verdicts import InfrastructureError


def remove_command(
    contest: ContestOption,
    participant: Annotated[str, typer.Argument(metavar="NAME", help="Their name, as it was handed in.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; 'grader history NAME' tells it.")],
    undo: Annotated[bool, typer.Option("--undo", help="Take them back: all that they handed in counts again.")] = False,
    reference: Annotated[bool, typer.Option("--reference", help="It is a reference solution's name.")] = False,
    store: StoreOption = DEFAULT.store,
) -> None:
    """Remove a participant: what they handed in counts on no board and is graded no more. Nothing is deleted."""
    if not reason.strip():
        raise typer.BadParameter("--reason may not be empty: say why, for whoever reads the history")
    kind = Kind.REFERENCE if reference else Kind.PARTICIPANT
    removal = Removal(participant, kind, not undo, reason.strip(), utc_text(datetime.now(UTC)))
    name = plain_name(participant)
    try:
        with open_existing(store) as opened:
            changed = opened.log_removal(removal)
            count = sum((each.kind, each.participant) == (kind, participant) for each in opened.submissions())
    except InfrastructureError as error:
        raise fail(error.message) from None
    if not count:
        raise typer.BadParameter(f"{store} knows no {kind.value} named {participant!r}")
    if not changed:
        state = "not removed, so there is nothing to undo" if undo else "removed already; --undo takes them back"
        raise typer.BadParameter(f"{name} is {state}")
    if undo:
        say(f"{name} is back: {count} submitted, counting again on every board and in every batch")
    else:
        say(f"removed {name}: {count} submitted, counting nowhere; the same command with --undo takes them back")
