"""Run the command line as ``python -m grader``."""

from grader.cli import app

app(prog_name="grader")
