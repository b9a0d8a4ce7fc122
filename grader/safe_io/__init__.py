"""Other people's bytes and text come in, harmless ones go out: files and names that anybody may have made.

Its modules:

    untrusted_file   reads a file that somebody hostile may have put there
    foreign_text     makes somebody else's text harmless
    whole_file       writes a file whole or not at all
"""

from grader.safe_io.foreign_text import csv_cell, plain_line, plain_message, plain_name, plain_text
from grader.safe_io.untrusted_file import NotAFile, TooLarge, open_folder, read_below, read_untrusted_file
from grader.safe_io.whole_file import write_whole

__all__ = [
    "NotAFile",
    "TooLarge",
    "csv_cell",
    "open_folder",
    "plain_line",
    "plain_message",
    "plain_name",
    "plain_text",
    "read_below",
    "read_untrusted_file",
    "write_whole",
]
