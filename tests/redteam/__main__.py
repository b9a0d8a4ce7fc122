"""Write the table of the corpus into its README: ``python -m tests.redteam``."""

from tests.redteam import README_FILE, with_table

README_FILE.write_text(with_table(README_FILE.read_text(encoding="utf-8")), encoding="utf-8")
