"""Write the table of the corpus into docs/redteam.md: ``python -m tests.redteam``."""

from tests.redteam import PAGE_FILE, with_table

PAGE_FILE.write_text(with_table(PAGE_FILE.read_text(encoding="utf-8")), encoding="utf-8")
