"""Many submissions come in; out go gradings that are kept, and who stands where.

Its modules:

    layouts      whose a notebook is, by the names in a platform's download
    downloads    these downloads, zipped or unpacked
    listings     a platform's list of submissions: whose each is, and when it came
    collecting   from them to a folder and a CSV
    entries      a submitted file becomes an entry, or is left aside
    folder       a folder of submissions
    table        a CSV of submissions
    names        which names are one, and which only look alike
    receiving    from what was handed in to submissions in the store
    kept         the files as they were received
    store        participants, submissions and gradings in one SQLite file
    rows         what it keeps, row by row
    schema       its tables as SQL
    site_schema  the site's own tables as SQL
    site_store   what the site writes
    views        what the site's pages may read
    stated       what the contest file states of each board
    removals     its log of who was removed and taken back
    events       its log of what organizers did, and what holds because of it
    desk         what an organizer may do while a contest runs, and when
    batch        grades many submissions, each once
    again        grades one again, because an organizer asked
    queue        what is still to be graded
    attended     a batch that somebody watches
    single       grades one notebook that somebody hands over and waits for
    turns        which of them, and in which order
    workers      who grades: this process, or Ray
    progress     the live table of a batch
    reuse        results that need no training: the same solution, stored models
    bound        the oracle, trained once
    policy       which submission counts
    boards       from the store to a board
    final        grades what the final needs, makes its board, publishes it
    fitting      whether a contest file and the store belong together
    references   what the reference solutions reached where a run was graded
    standings    who stands where
    similarity   solution cells that are alike
    options      what its commands share
    results      a contest's results for a jury, as JSON and as CSV
    readiness    is this machine ready for a contest? one check each
    cli          the commands collect, batch, history, similar
    removing     the command remove
    organizing   the commands pause, resume, extend, announce, set-aside, freeze, publish, log
    queueing     the commands queue, retry
    exporting    the command export-results
    doctor       the command doctor
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
