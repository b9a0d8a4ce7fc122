"""Run the command line as ``python -m competition``."""

from competition.cli import app

app(prog_name="competition")
