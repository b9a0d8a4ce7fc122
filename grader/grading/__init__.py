"""A submission comes in, with settings; out go its `Record` and `Artifacts`, and the run folder that keeps both.

    settings      how to grade
    data_folder   where the data lies
    engine        one grading from bytes to record
    training      the training against a notebook in its sandbox
    listening     sockets at which the trusted side waits for the notebook
    gateway       the trusted end of the socket
    trainer       opens verified data, trains against a notebook, scores models
    trusted       a training with our own selection function, without a sandbox
    record        the record
    artifacts     what a grading produces besides it
    run_folder    keeps both
    shown         a record on the terminal
    attended      a grading that somebody waits for
    cli           the commands grade, regrade

What is exported is imported at its first use, so that nobody waits for torch who trains nothing.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
