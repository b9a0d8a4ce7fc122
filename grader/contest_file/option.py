"""``--contest``: reads the file before any other option, whose defaults are then what it says.

A command takes part by asking for a `ContestOption`, and by naming its parameters as `defaults_of` does. What stands on
the command line counts first, then the contest; the defaults in the signatures are those of a contest without a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from grader.contest_file.contest import Contest
from grader.contest_file.reading import ContestError, contest_here, read_contest
from grader.options import Split

FINAL_COMMANDS = {"export-results"}  # whose seeds and draw are those of the final, without a --split


def read_option(given: str) -> Contest:
    """Read the contest that the option names; that of the working folder for "".

    Raises:
        typer.BadParameter: it cannot be used.
    """
    try:
        return read_contest(Path(given)) if given else contest_here()
    except ContestError as error:
        raise typer.BadParameter(str(error)) from None


def defaults_of(contest: Contest, in_final: Callable[[], bool]) -> Mapping[str, object]:
    """Return what each option is where the command line does not say it, by the names of the commands' parameters.

    Args:
        contest: the contest.
        in_final: whether the call is about the final; asked when an option needs it.
    """
    grading, rules, final = contest.grading, contest.rules, contest.final
    values = {
        "title": contest.title,
        "data": contest.data,
        "runs": contest.runs,
        "store": contest.store,
        "device": grading.device.value,
        "threads": grading.threads,
        "sandbox": grading.sandbox.value,
        "image": grading.image,
        "time_limit": grading.time_limit,
        "guard": grading.guard,
        "workers": grading.workers,
        "ray_address": grading.ray_address,
        "num_gpus": grading.num_gpus,
        "policy": rules.policy.value,
        "daily_limit": rules.daily_limit,
        "public_seed": grading.seed,
        "url": contest.site.url,
        "seed": lambda: final.seed if in_final() else grading.seed,
        "seeds": lambda: final.seeds if in_final() else 1,
        "train": lambda: final.train if in_final() else "train",
    }
    return {name: value for name, value in values.items() if value is not None}


def apply(context: typer.Context, contest: Contest) -> Contest:
    """Make the contest's values the defaults of the command's other options."""
    options = {parameter.name for parameter in context.command.params if parameter.param_type_name == "option"}
    about_final = context.info_name in FINAL_COMMANDS
    defaults = defaults_of(contest, lambda: about_final or context.params.get("split") == Split.TEST_B.value)
    context.default_map = {name: value for name, value in defaults.items() if name in options}
    return contest


ContestOption = Annotated[
    Contest,
    typer.Option(
        "--contest",
        parser=read_option,
        default_factory=str,
        callback=apply,
        is_eager=True,
        show_default="contest.toml in the working folder, if it is there",
        metavar="FILE|FOLDER",
        help="The contest: its file, or its folder. Other options override it for one call.",
    ),
]
