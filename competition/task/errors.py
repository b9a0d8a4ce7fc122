"""An error whose message says it all."""


# LOCKED CELL [errors]: an error whose message says it all.
class NotebookError(Exception):
    """Something is missing or wrong, and the message says what to do; a notebook shows it without a traceback."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return [f"\x1b[1;31m{self}\x1b[0m"]
