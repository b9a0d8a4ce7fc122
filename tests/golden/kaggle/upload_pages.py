"""Uploads the pages by the client's library, as its command for them fails on every call (kaggle 2.2.5)."""

from pathlib import Path

from kaggle import api
from requests import HTTPError

SLUG = "wrong-labels-2026"
for page in sorted(Path(__file__).with_name("competition").glob("pages/*.md")):
    try:
        api.competition_update_page(SLUG, page.stem, str(page), mime_type="text/markdown", is_published=True)
    except HTTPError:  # it is not there yet
        api.competition_create_page(SLUG, page.stem, str(page), mime_type="text/markdown", publish=True)
    print(f"page {page.stem}")
