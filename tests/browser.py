"""Chromium for the tests of the pages: opens a page's text, and remembers whatever goes wrong in it.

It is started once per module that asks for it, and ended with that module: Playwright keeps an event loop running in
this thread, which other tests could not share.
"""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

QUIET = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
QUIET += ("--disable-component-update", "--disable-sync")
DESKTOP, PHONE = 1280, 360


class Visitor:
    """Opens pages; `troubles` lists console errors, script errors, dialogs, and requests beyond the page itself."""

    def __init__(self, browser, folder: Path) -> None:
        self.troubles: list[str] = []
        self._browser = browser
        self._folder = folder
        self._contexts = []

    def open(self, text, *, width=DESKTOP, scheme="light", script=True):
        """Open the text of a page, in an empty profile of its own."""
        path = self._folder / f"page-{len(self._contexts)}.html"
        path.write_text(text, encoding="utf-8")
        context = self._browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=script
        )
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self.troubles.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.troubles.append(f"script error: {error}"))
        page.on("dialog", lambda dialog: (self.troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self._check(request.url, path.as_uri()))
        page.goto(path.as_uri())
        return page

    def _check(self, url, own):
        if url != own and not url.startswith("data:"):
            self.troubles.append(f"request: {url}")

    def close(self):
        """Close all pages."""
        for context in self._contexts:
            context.close()


@pytest.fixture(scope="module")
def chromium():
    """Start Chromium, or Chrome; without either the tests fail, since nobody would have looked at the pages."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "Chromium is not installed: on Debian or Ubuntu, 'apt-get install chromium'"
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*QUIET, *as_root])
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium, tmp_path):
    """Open pages in Chromium; a test fails at its end when one of them was in trouble."""
    visiting = Visitor(chromium, tmp_path)
    yield visiting
    visiting.close()
    assert visiting.troubles == []


def overflow(page):
    """Return by how many pixels a page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def brightness(page):
    """Return how bright a page's background is, 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")) / 3
