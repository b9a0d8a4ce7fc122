"""Other people's bytes and text come in, harmless ones go out: files and names that anybody may have made.

Its modules:

    untrusted_file   reads a file that somebody hostile may have put there
    foreign_text     makes somebody else's text harmless
    naming           names files after people
    whole_file       writes a file whole or not at all
    writable         finds out whether a file or a folder could be written
"""

from grader.safe_io.foreign_text import plain_line, plain_message, plain_name, plain_text
from grader.safe_io.naming import file_names
from grader.safe_io.untrusted_file import NotAFile, TooLarge, read_untrusted_file
from grader.safe_io.whole_file import write_whole
from grader.safe_io.writable import file_problem, folder_problem

__all__ = [
    "NotAFile",
    "TooLarge",
    "file_names",
    "file_problem",
    "folder_problem",
    "plain_line",
    "plain_message",
    "plain_name",
    "plain_text",
    "read_untrusted_file",
    "write_whole",
]
