"""A `contest.toml` comes in; out goes a `Contest`, whose values are the defaults of every command that asks for it.

A contest is a folder with this file: what the organizer decides stands in it once, so that no two commands can
disagree. An option on the command line counts for one call.

    contest   what can stand in the file, with defaults
    kinds     what a value must be
    reading   from the file to a Contest, or to one line that says what is wrong
    writing   the commented file that `grader init` makes
    option    --contest, and how its values become defaults of other options
    cli       the command init
"""

from grader.contest_file.contest import DEFAULT, Audience, Contest, Policy
from grader.contest_file.option import ContestOption

__all__ = ["DEFAULT", "Audience", "Contest", "ContestOption", "Policy"]
