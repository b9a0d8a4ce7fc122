"""The commands of an organizer while a contest runs: ``grader pause``, ``resume``, ``extend``, ``announce`` and others.

Each adds one entry to the store's log, which ``grader log`` shows.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from grader.contest import desk
from grader.contest.desk import Act, Decide
from grader.contest.events import Action, LogEntry
from grader.contest.final import publish_final
from grader.contest.options import StoreOption
from grader.contest.store import Received, Store, open_existing
from grader.contest_file import DEFAULT, ContestOption
from grader.options import fail, print_wide, say
from grader.safe_io import plain_line, plain_name
from grader.verdicts import InfrastructureError

ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why; it stands in the log.")]
SeenReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why, as those whom it touches will read it.")]
NumberArgument = Annotated[
    int, typer.Argument(metavar="NUMBER", help="The submission, as 'grader history NAME' and 'grader queue' number it.")
]


def login_name() -> str:
    """Return who is at the keyboard, as the system knows them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"user {os.getuid()}"


def act_of(reason: str) -> Act:
    """Make the act of who is at the keyboard, now."""
    return Act(login_name(), desk.now(), " ".join(reason.split()))


@contextmanager
def at_the_desk(path: Path) -> Iterator[Store]:
    """Open the store for an action; what cannot be done is a usage error, and a fault of ours one line."""
    try:
        with open_existing(path) as store:
            yield store
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    except InfrastructureError as error:
        raise fail(error.message) from None


def submission_of(store: Store, number: int) -> Received:
    """Return the submission of a number.

    Raises:
        ValueError: there is none.
    """
    submission = store.submission(number)
    if submission is None:
        raise ValueError(f"the store has no submission {number}: 'grader history NAME' shows the numbers")
    return submission


def act(path: Path, make: Callable[[Store], Decide]) -> LogEntry:
    """Add one entry to the log of a store, as `at_the_desk` says."""
    with at_the_desk(path) as store:
        return store.act(make(store))


def pause_command(contest: ContestOption, reason: ReasonOption = "", store: StoreOption = DEFAULT.store) -> None:
    """Let no further grading begin, here and on every machine; what runs ends as it would. Notebooks still come in."""
    act(store, lambda _: desk.pause(act_of(reason)))
    say("grading is paused; 'grader resume' lets it go on")


def resume_command(contest: ContestOption, reason: ReasonOption = "", store: StoreOption = DEFAULT.store) -> None:
    """Let gradings begin again."""
    act(store, lambda _: desk.resume(act_of(reason)))
    say("gradings may begin again; a batch that was stopped by the pause wants its command once more")


def extend_command(
    contest: ContestOption,
    minutes: Annotated[int, typer.Argument(metavar="MINUTES", help="So much after the closing time that holds now.")],
    reason: SeenReasonOption,
    store: StoreOption = DEFAULT.store,
) -> None:
    """Close later, for everybody, and say so to everybody. contest.toml stays as it is."""
    event = act(store, lambda _: desk.extend(act_of(reason), contest.rules.closing, minutes))
    say(f"the contest is open until {event.text}")


def announce_command(
    contest: ContestOption,
    message: Annotated[str, typer.Argument(metavar="TEXT", help="One line, which stays.")],
    store: StoreOption = DEFAULT.store,
) -> None:
    """Tell everybody something: it stands on every page of the site, with its time."""
    event = act(store, lambda _: desk.announce(act_of(""), message))
    say(f"announced at {event.at}")


def set_aside_command(
    contest: ContestOption,
    number: NumberArgument,
    reason: SeenReasonOption,
    undo: Annotated[bool, typer.Option("--undo", help="Take it back: it counts again.")] = False,
    store: StoreOption = DEFAULT.store,
) -> None:
    """Let one submission count nowhere; its participant sees the reason. Nothing is deleted."""
    with at_the_desk(store) as opened:
        submission = submission_of(opened, number)
        opened.act(desk.set_aside(act_of(reason), submission, undo=undo))
        which = f"submission {number}, {plain_name(submission.participant)}'s {plain_name(submission.path.name)}"
        say(f"{which}, counts again" if undo else f"{which}, counts nowhere; --undo takes it back")


def freeze_command(
    contest: ContestOption,
    reason: ReasonOption = "",
    undo: Annotated[bool, typer.Option("--undo", help="Let the board move again.")] = False,
    store: StoreOption = DEFAULT.store,
) -> None:
    """Let the public board stand still until --undo, or until the final is published. Grading goes on."""
    act(store, lambda _: (desk.unfreeze if undo else desk.freeze)(act_of(reason)))
    say("the board moves again" if undo else "the board is frozen; --undo lets it move again")


def publish_command(
    contest: ContestOption,
    reason: ReasonOption = "",
    undo: Annotated[bool, typer.Option("--undo", help="Withdraw the published final ranking.")] = False,
    store: StoreOption = DEFAULT.store,
) -> None:
    """Publish the final ranking on the site, as it is now: all of it must be graded, and the contest be closed."""
    with at_the_desk(store) as opened:
        if undo:
            opened.act(desk.withdraw(act_of(reason)))
        else:
            publish_final(contest, opened, act_of(reason))
    say("the final ranking is withdrawn" if undo else "the final ranking is published; --undo withdraws it")


def log_command(contest: ContestOption, store: StoreOption = DEFAULT.store) -> None:
    """Show what organizers did, oldest first: when, who, what and why."""
    table = Table("time (UTC)", "who", "what", "why", box=SIMPLE)
    with at_the_desk(store) as opened:
        names = {each.id: f"{each.id}, {each.participant}: {each.path.name}" for each in opened.submissions()}
        lines = [(each.at, each.who, what_of(each, names), each.reason) for each in opened.events()]
        lines += [
            (each.at, "", f"{'remove' if each.removed else 'take back'}: {each.participant}", each.reason)
            for each in opened.removals()
        ]
    for line in sorted(lines, key=lambda line: line[0]):
        table.add_row(*(Text(plain_line(cell)) for cell in line))
    print_wide(table)


def what_of(event: LogEntry, names: dict[int, str]) -> str:
    """Write what was done, in a few words."""
    about = names[event.submission] if event.submission is not None else ""
    text = "the final ranking" if event.action is Action.PUBLISH else event.text
    return ": ".join(part for part in (event.action.value, about, text) if part)
