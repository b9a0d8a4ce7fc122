"""Verdicts, and the errors that carry them.

GradingError                 ends a grading
 ├─ ParticipantFault         a verdict, 0 points and a message that the participant can act on
 └─ InfrastructureError      our fault: never counted
     └─ SandboxLost          the sandbox did not start, or was killed from outside: the same may go well at once
"""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """How a grading ended."""

    OK = "OK"
    PRESENTATION_ERROR = "PresentationError"
    RUNTIME_ERROR = "RuntimeError"
    TIME_LIMIT = "TimeLimitExceeded"
    MEMORY_LIMIT = "MemoryLimitExceeded"
    OUTPUT_LIMIT = "OutputLimitExceeded"
    INFRASTRUCTURE_ERROR = "InfrastructureError"


class GradingError(Exception):
    """Something that ends a grading."""


class ParticipantFault(GradingError):
    """The submission's own fault.

    Attributes:
        verdict: one of the participant's verdicts.
        message: what happened and what to do, for the participant.
    """

    def __init__(self, verdict: Verdict, message: str) -> None:
        super().__init__(message)
        self.verdict = verdict
        self.message = message


class InfrastructureError(GradingError):
    """The organizer's or the machine's fault.

    Attributes:
        message: what is missing and what to do, for the organizer.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class SandboxLost(InfrastructureError):
    """The sandbox did not start, or something else than the notebook and the grader ended it: try again."""
