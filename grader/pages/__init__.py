"""Boards and runs come in; out goes what people look at: HTML files, each whole by itself, and a board on a terminal.

Its modules:

    page              the shell: templates, style, content security policy
    plots             plots as SVG
    leaderboard       the leaderboard as a page
    board_table       the same on a terminal
    publishing        a board goes out: files, terminal, notices
    report            what a report holds
    comparing         what the references reached where the run was graded
    gathering         collects it from a run and its data
    run_report        the report as a page
    everybody         the reports of all participants, and the organizer's index of them
    advice            what to do about each verdict
    notebook_output   a hostile executed notebook as plain text and images of our own encoding
    checking          the command check
    decoding          hostile images, decoded by a process with bounds
    final             the command final
    cli               the commands leaderboard, report
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
