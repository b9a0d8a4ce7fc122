"""Teach a network by hand: it asks what it is least sure of, you say what it is, and it learns on.

    python -m benchmarks.label_by_hand [--queries 20] [--start 1000] [--images PATH] [--out FILE.json] [--plot]

A small convolutional network has learned from 1,000 labelled Fashion-MNIST images. Of 4,000 others it shows the one
that it is least sure of, with its probabilities, and asks; it learns on from your answer, and you are told the right
one. Two more networks learn beside it: one whose questions are always answered rightly, and one that asks at random.
After each answer all three are tried on 400 held-out images; at the end a plot compares them. A few answers beside
1,000 labelled images move little: `--start 50` begins with fewer.

`q`, the end of the input or Ctrl-C stops: what was learned so far is kept, in FILE.json, and plotted beside it. In a
notebook that lies in the root of a clone:

    from benchmarks.label_by_hand import play
    play(queries=10)
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.active.drawing import draw_lesson
from benchmarks.active.images import START, Task, add_images_option, draw_task, read_images
from benchmarks.active.person import RANDOM, RIGHT, STOP, YOU, Answer, Question, Session, Stopped, lesson, read_class
from benchmarks.active.screen import show_in_notebook, show_in_terminal
from benchmarks.stored_results import read_results, require_place, write_results
from competition.pool.make_pool import DEFAULT_FOLDER

QUERIES = 20
KEPT = Path("build/by_hand")
PROMPT = "What is it? "


def ask(console: Console, task: Task, queries: int, question: Question) -> int:
    """Show an image and what the network thinks of it, and ask until the answer is a class.

    Raises:
        Stopped, EOFError, KeyboardInterrupt: the person has had enough.
    """
    likeliest = int(question.probabilities.argmax())
    console.print(f"\nQuestion {question.number} of {queries}", style="bold")
    show = show_in_notebook if console.is_jupyter else partial(show_in_terminal, console)
    show(question.image, task.names, question.probabilities)
    console.print(f"The network says {task.names[likeliest]}, {question.probabilities[likeliest]:.0%}.")
    while (named := read_class(input(PROMPT), task.names)) is None:
        console.print(
            f"That is no class, or several: a number from 0 to {len(task.names) - 1}, or a name; {STOP} stops."
        )
    return named


def tell(console: Console, task: Task, before: Session | None, session: Session) -> None:
    """Tell the right answer, and what the network learned from what was said."""
    now = session.accuracy[YOU][-1]
    if not session.answers:
        console.print(
            f"A network has learned from {len(task.start):,} labelled images. Of {len(task.pool):,} others it asks "
            f"you what it is least sure of, and learns on from your answers. It is right on {now:.1%} of "
            f"{len(task.held_out)} held-out images.\n"
            f"Answer with a number or a name, of which the beginning will do; {STOP} stops."
        )
        return
    answer = session.answers[-1]
    truth = task.names[answer.truth]
    if answer.said == answer.truth:
        console.print(f"Right: {truth}.", style="green")
    else:
        console.print(f"No: {truth}. The network has learned {task.names[answer.said]} from you.", style="red")
    if before is not None:
        console.print(f"It is now right on {now:.1%} of the held-out images, {before.accuracy[YOU][-1]:.1%} before.")


def summary(session: Session) -> str:
    """Say what came of it."""
    first, last = session.accuracy[YOU][0], session.accuracy[YOU][-1]
    return (
        f"You were right in {session.right} of {len(session.answers)}. The network went from {first:.1%} to {last:.1%} "
        f"of the held-out images; with answers that are always right it would be {session.accuracy[RIGHT][-1]:.1%}, "
        f"with random questions {session.accuracy[RANDOM][-1]:.1%}."
    )


def play(
    queries: int = QUERIES,
    start: int = START,
    seed: int = 0,
    images: Path | str = DEFAULT_FOLDER,
    out: Path | str | None = None,
) -> None:
    """Let a network ask you; keep what was said in `out`, a JSON file, and a plot beside it.

    Args:
        queries: how many questions at most.
        start: how many labelled images the network learns from before.
        seed: of the images and the networks.
        images: see `add_images_option`.
        out: a new file; None makes one that is named after the time.

    Raises:
        SystemExit: the images cannot be read, or nothing can be kept there; one sentence says why.
    """
    path = Path(out) if out else KEPT / f"{time.strftime('%Y-%m-%d-%H%M%S')}.json"
    require_place(path)
    if path.exists():
        raise SystemExit(f"error: {path} is there already: name another with --out, or draw it with --plot")
    console = Console(highlight=False)
    task = draw_task(read_images(Path(images)), seed, start)
    session = None
    try:
        for learned in lesson(task, seed, queries, partial(ask, console, task, queries)):
            tell(console, task, session, learned)
            session = learned
            if session.answers:
                write_results(path, {"seed": seed, "names": task.names, **asdict(session)})
    except (Stopped, EOFError, KeyboardInterrupt):
        console.print()
    if session is None or not session.answers:
        console.print("Nothing was answered, so nothing is kept.")
        return
    finish(console, session, path)


def finish(console: Console, session: Session, path: Path) -> None:
    """Print what came of it, draw the plot beside the JSON file, and display it in a notebook."""
    picture = path.with_suffix(".png")
    draw_lesson(session, picture)
    console.print(f"\n{summary(session)}", style="bold")
    if console.is_jupyter:
        from IPython.display import Image, display

        display(Image(filename=str(picture)))
    print(f"Kept: {path} and {picture}")


def read_session(path: Path) -> Session:
    """Read what was kept.

    Raises:
        SystemExit: it cannot be read as that.
    """
    kept = read_results(path, "answers", "accuracy")
    try:
        answers = tuple(Answer(**answer) for answer in kept["answers"])
        return Session(answers, {name: tuple(kept["accuracy"][name]) for name in (YOU, RIGHT, RANDOM)})
    except (KeyError, TypeError, AttributeError):
        raise SystemExit(f"error: {path} holds no answers that this command kept") from None


def main(words: list[str] | None = None) -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Teach a network by hand: it asks, you answer, it learns on.")
    parser.add_argument("--queries", type=int, default=QUERIES, help=f"questions at most (default: {QUERIES})")
    parser.add_argument("--start", type=int, default=START, help=f"labelled images before (default: {START:,})")
    parser.add_argument("--seed", type=int, default=0, help="of the images and the networks")
    parser.add_argument("--out", type=Path, help=f"where answers are kept (default: a new file in {KEPT}/)")
    parser.add_argument("--plot", action="store_true", help="draw the plot of --out again, ask nothing")
    add_images_option(parser)
    arguments = parser.parse_args(words)
    if min(arguments.queries, arguments.start) < 1 or arguments.seed < 0:
        parser.error("it takes at least one question, one labelled image, and a seed from 0")
    if arguments.plot:
        if arguments.out is None:
            parser.error("--plot needs --out, the file that was kept")
        finish(Console(highlight=False), read_session(arguments.out), arguments.out)
        return
    torch.set_num_threads(1)  # the same bits on any machine with this processor
    play(arguments.queries, arguments.start, arguments.seed, arguments.images, arguments.out)


if __name__ == "__main__":
    main()
