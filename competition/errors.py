"""What can go wrong while data or a notebook is made.

CompetitionError          a message for the person at the command line
 ├─ SourceError           the image pool cannot be used: missing files, wrong labels, too few images
 ├─ DataError             a data folder is missing, unfinished or changed
 └─ CellError             a solution file cannot become a notebook cell
"""


class CompetitionError(Exception):
    """Something that the person at the command line can put right; the message says how."""


class SourceError(CompetitionError):
    """The image pool cannot be used."""


class DataError(CompetitionError):
    """A data folder is missing, unfinished or changed."""


class CellError(CompetitionError):
    """A solution file cannot become a notebook cell."""
