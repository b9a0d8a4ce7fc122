"""An evening in Chromium: from the links to the board, with keys alone, without scripts, on a phone, in the dark."""

import csv
import re
import threading
import time

import pytest

from grader.contest.workers import InProcess
from grader.site.work import Desk
from tests.browser import DESKTOP, PHONE, brightness, chromium, overflow
from tests.contest import Contest
from tests.site import notebook, serve

__all__ = ["chromium", "serve"]  # fixtures
HOSTILE = '<img src="http://evil.example/x" onerror="alert(1)">'


class Browsing:
    """Opens a site in Chromium; `troubles` lists console errors, script errors, dialogs and requests elsewhere."""

    def __init__(self, browser, address):
        self.browser, self.address, self.troubles, self.contexts = browser, address, [], []

    def page(self, *, width=DESKTOP, scheme="light", script=True):
        """Open an empty profile."""
        size = {"width": width, "height": 800}
        context = self.browser.new_context(viewport=size, color_scheme=scheme, java_script_enabled=script)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self.troubles.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.troubles.append(f"script error: {error}"))
        page.on("dialog", lambda dialog: (self.troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.check(request.url))
        return page

    def check(self, url):
        """Note a request that leaves the site."""
        if not url.startswith((f"{self.address}/", "data:")):
            self.troubles.append(f"request: {url}")


@pytest.fixture
def evening(serve, chromium, tmp_path, light):
    """Serve a contest, invite three people by the command, and have somebody grade; nothing may be wrong in the end."""
    serving = serve()
    people, links = tmp_path / "people.csv", tmp_path / "links.csv"
    with open(people, "w", newline="") as stream:
        csv.writer(stream).writerows([["name"], ["Ann"], ["Bob"], [HOSTILE]])
    Contest.call("invite", people, "--contest", serving.contest.file, "--out", links, "--port", serving.port)
    with open(links, newline="") as stream:
        serving.links = {row["name"]: row["link"] for row in csv.DictReader(stream)}
    stopping = threading.Event()

    def grade():
        with serving.store() as store:
            desk = Desk(serving.contest, store, InProcess())
            while not stopping.is_set():
                desk._board_due = 0.0
                if not desk.step():
                    time.sleep(0.1)

    grading = threading.Thread(target=grade)
    serving.start_grading = grading.start
    browsing = Browsing(chromium, serving.site.address)
    yield serving, browsing
    stopping.set()
    if grading.is_alive():
        grading.join()
    for context in browsing.contexts:
        context.close()
    assert browsing.troubles == []


def enter(page, link):
    """Open a link and press its button."""
    page.goto(link)
    page.get_by_role("button", name="Enter").click()
    page.wait_for_url("**/mine")


def write(tmp_path, name, remark):
    """Write a notebook to hand in."""
    file = tmp_path / name
    file.write_bytes(notebook(remark))
    return file


@pytest.mark.slow
def test_from_the_link_to_the_board(evening, tmp_path):
    """Three people hand in, one of them hostile; each sees their phase go on and their verdict come, and the board."""
    serving, browsing = evening
    pages = {}
    for name in serving.links:
        page = pages[name] = browsing.page()
        enter(page, serving.links[name])
        page.set_input_files("#notebook", write(tmp_path, "<b>mine.ipynb", name))
        page.get_by_role("button", name="Hand in").click()
        page.wait_for_url("**/submissions/*")
        assert "waiting, place" in page.inner_text("#phase")
    serving.start_grading()
    for name, page in pages.items():
        page.get_by_role("link", name="Open the report").wait_for(timeout=60_000)
        assert "OK" in page.inner_text("main"), name
        page.get_by_role("link", name="Open the report").click()
        assert page.locator("h1").inner_text()
        page.goto(f"{browsing.address}/board")
        for other in serving.links:
            page.locator("tbody tr", has_text=other).wait_for()
        assert page.locator("img").count() == 0
        assert page.locator("tr.own").count() == 1


@pytest.mark.slow
def test_with_keys_alone(evening, tmp_path):
    """Tab and Enter lead from the link to a receipt, and to the choice of a final; the focus can be seen."""
    serving, browsing = evening
    page = browsing.page()
    choosers = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    page.goto(serving.links["Ann"])

    def press_until(name):
        for _ in range(30):
            page.keyboard.press("Tab")
            label = page.evaluate("(document.activeElement.innerText || document.activeElement.id || '').trim()")
            if label == name:
                style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert style != "none"
                return
        raise AssertionError(f"no key leads to {name}")

    press_until("Enter")
    page.keyboard.press("Enter")
    page.wait_for_url("**/mine")
    press_until("notebook")
    for _ in range(30):  # a busy browser may drop a key, and a person would press it again
        page.keyboard.press("Space")
        page.wait_for_timeout(1000)
        if choosers:
            break
    choosers[-1].set_files(write(tmp_path, "keys.ipynb", "keys"))
    press_until("Hand in")
    page.keyboard.press("Enter")
    page.wait_for_url("**/submissions/*")
    press_until("My submissions")
    page.keyboard.press("Enter")
    page.wait_for_url("**/mine")
    press_until("choose")
    page.keyboard.press("Enter")
    page.get_by_role("button", name=re.compile("Take back")).wait_for()


@pytest.mark.slow
def test_without_scripts(evening, tmp_path):
    """The plain form hands in, and the page of a submission loads itself anew until the verdict is there."""
    serving, browsing = evening
    page = browsing.page(script=False)
    enter(page, serving.links["Bob"])
    page.set_input_files("#notebook", write(tmp_path, "plain.ipynb", "plain"))
    page.get_by_role("button", name="Hand in").click()
    page.wait_for_url("**/submissions/*")
    serving.start_grading()
    while not page.get_by_role("link", name="Open the report").count():
        page.wait_for_timeout(500)


@pytest.mark.slow
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_on_a_phone_and_in_the_dark(evening, tmp_path, width):
    """No page is wider than the window, and each follows the reader's light or dark mode."""
    serving, browsing = evening
    for scheme, bright in (("light", True), ("dark", False)):
        page = browsing.page(width=width, scheme=scheme)
        enter(page, serving.links[HOSTILE])
        page.set_input_files("#notebook", write(tmp_path, f"{'long-' * 30}.ipynb", scheme))
        page.get_by_role("button", name="Hand in").click()
        page.wait_for_url("**/submissions/*")
        for path in (page.url.removeprefix(browsing.address), "/", "/board", "/mine", "/enter/x"):
            page.goto(browsing.address + path)
            assert overflow(page) == 0, path
            assert (brightness(page) > 128) is bright


@pytest.mark.slow
def test_the_sheet_prints_without_a_network(evening, tmp_path):
    """The sheet of links opens as a file, loads nothing, and has a code and a link for everybody."""
    serving, browsing = evening
    browsing.address = tmp_path.as_uri()
    page = browsing.page()
    page.goto((tmp_path / "links.html").as_uri())
    assert page.locator("svg").count() == len(serving.links)
    assert page.locator("img").count() == 0
    for link in serving.links.values():
        assert link in page.inner_text("main")


@pytest.mark.slow
def test_the_clock_goes_on_in_both_zones(evening, monkeypatch):
    """The server's time goes on in the page, in UTC and in the server's own zone."""
    _, browsing = evening
    try:
        monkeypatch.setenv("TZ", "XYZ-2")
        time.tzset()
        page = browsing.page()
        page.goto(f"{browsing.address}/")
        before = page.inner_text("#clock")
        page.wait_for_function("before => document.getElementById('clock').textContent !== before", arg=before)
        after = page.inner_text("#clock")
    finally:
        monkeypatch.undo()
        time.tzset()
    for text in (before, after):
        hour, other = map(int, re.fullmatch(r"\S+ (\d\d):\d\d:\d\d UTC \((\d\d):\d\d:\d\d XYZ.*\)", text).groups())
        assert other == (hour + 2) % 24
