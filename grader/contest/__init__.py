"""Many submissions come in; out go gradings that are kept, and who stands where.

Its modules:

    entries      what was handed in: a folder or a CSV
    store        participants, submissions and gradings in one SQLite file
    schema       its tables as SQL
    removals     its log of who was removed and taken back
    batch        grades many submissions, each once
    workers      who grades: this process, or Ray
    progress     the live table of a batch
    reuse        results that need no training: the same solution, stored models
    bound        the oracle, trained once
    policy       which submission counts
    boards       from the store to a board
    references   what the reference solutions reached where a run was graded
    standings    who stands where
    similarity   solution cells that are alike
    options      what its commands share
    results      a contest's results for a jury, as JSON and as CSV
    readiness    is this machine ready for a contest? one check each
    cli          the commands batch, history, similar
    removing     the command remove
    exporting    the command export-results
    doctor       the command doctor
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
