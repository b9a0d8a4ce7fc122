"""The pages that an organizer publishes: a leaderboard, and a report per run. Dataclasses in, one HTML file's text out.

Each page is whole by itself: nothing is loaded, nothing needs a script to be read, and a content security policy admits
the page's own style and script by their checksums, and nothing else.
"""

from grader.pages.leaderboard import leaderboard_page
from grader.pages.run_report import report_page

__all__ = ["leaderboard_page", "report_page"]
