"""Reference solutions come in; out goes whether each scores inside its expected band.

Its modules:

    bands        which references there are, and where each is expected
    references   grades them, one by one
    results      what they reached: measurements, bands, the table
    measured     the same for the data of one run
    cli          the command validate
"""

from grader.validation.measured import measured_scores

__all__ = ["measured_scores"]
