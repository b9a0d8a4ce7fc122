"""What to do about each verdict."""

from __future__ import annotations

from grader.verdicts import Verdict

ADVICE = {
    Verdict.OK: "Every batch was answered, so this submission counts.",
    Verdict.PRESENTATION_ERROR: "Change what the message names. Return two lists of indices into the batch, in a "
    "notebook that has its one solution cell, and run grader check before you submit again.",
    Verdict.RUNTIME_ERROR: "Mend what the message names. At home the last cell runs your solution cell as the grader "
    "does, so run both there until it goes through.",
    Verdict.TIME_LIMIT: "Your clock runs while the training waits for your notebook: until it is ready, and in every "
    "call. Do costly work once, not in every call, and prefer tensor operations to Python loops.",
    Verdict.MEMORY_LIMIT: "Keep fewer and smaller copies: of each batch what you need later, not all of it, and train "
    "models of your own in small batches.",
    Verdict.OUTPUT_LIMIT: "Write fewer or smaller files, and delete those that are no longer needed. Nothing that you "
    "write is kept.",
    Verdict.INFRASTRUCTURE_ERROR: "This was not your fault, and it is not counted. The submission will be graded "
    "again, with nothing for you to do.",
}
ADVICE_ON_OURS = "Mend what the message names, and grade the submission again. Until then it is not counted."
