"""What the text of a cell says by itself: whether it is the solution, whether it is locked, which names it binds."""

# LOCKED CELL [cells]: knows the solution cell by its text.
import re
import symtable

SOLUTION_MARKER = "# SOLUTION CELL: edit below this line, and keep this line."
LOCKED_MARKER = re.compile(r"\s*# (?:@title )?LOCKED CELL \[(\w+)\]: ")
FUNCTION_NAME = "your_select_indices"
DEFINITION = re.compile(
    rf"^(?:async[ \t]+)?def[ \t]+{FUNCTION_NAME}\b|^{FUNCTION_NAME}[ \t]*[:=]"
    rf"|^(?:from[ \t]|import[ \t])[^\n]*\b{FUNCTION_NAME}\b",
    re.MULTILINE,
)


def has_marker(source: str) -> bool:
    """Say whether a cell is marked as the solution: among its leading comments and blank lines."""
    for line in map(str.strip, source.splitlines()):
        if line == SOLUTION_MARKER:
            return True
        if line and not line.startswith("#"):
            return False
    return False


def locked_name(source: str) -> str | None:
    """Return the name of a locked cell, which its first line carries; None where a cell is not locked."""
    match = LOCKED_MARKER.match(source)
    return match[1] if match else None


def defines_function(source: str) -> bool:
    """Say whether a cell defines the function by a line of its own: by def, by assignment or by import."""
    return locked_name(source) is None and DEFINITION.search(source) is not None


def names_bound(source: str) -> set[str]:
    """Return the names that a cell binds outside functions and classes; none where it is no Python."""
    try:
        symbols = symtable.symtable(source, "cell", "exec").get_symbols()
    except SyntaxError:
        return set()
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}
