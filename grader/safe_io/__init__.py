"""Other people's bytes and text come in, harmless ones go out: files and names that anybody may have made.

Its modules:

    untrusted_json   parses JSON within bounds
    naming           names files after people
    whole_file       writes a file whole or not at all
    writable         finds out whether a file or a folder could be written

What reads a hostile file and makes foreign text harmless is the task's too, so it stands there
(`competition.untrusted_file`, `competition.foreign_text`); the grader takes it from this door.
"""

from competition.foreign_text import csv_cell, plain_line, plain_message, plain_name, plain_text
from competition.untrusted_file import NotAFile, TooLarge, open_folder, read_below, read_untrusted_file
from grader.safe_io.naming import file_names
from grader.safe_io.untrusted_json import TooManyValues, parse_json
from grader.safe_io.whole_file import write_whole
from grader.safe_io.writable import file_problem, folder_problem

__all__ = [
    "NotAFile",
    "TooLarge",
    "TooManyValues",
    "csv_cell",
    "file_names",
    "file_problem",
    "folder_problem",
    "open_folder",
    "parse_json",
    "plain_line",
    "plain_message",
    "plain_name",
    "plain_text",
    "read_below",
    "read_untrusted_file",
    "write_whole",
]
