"""A submitted file comes in, hostile bytes; out go its solution cell, and notices for its author.

Its modules:

    reading     a file, read with care, and its cells
    lifting     the one cell that counts
    comparing   locked cells that differ from the starter's
    advice      what can be said of the solution without running it
    received    all of this, as one `Submission`
"""

from grader.submission.lifting import lift
from grader.submission.reading import MAX_NOTEBOOK_BYTES, read_cells, read_file
from grader.submission.received import Submission, read_submission

__all__ = [
    "MAX_NOTEBOOK_BYTES",
    "Submission",
    "lift",
    "read_cells",
    "read_file",
    "read_submission",
]
