"""The leaderboard page, opened in Chromium, and what all pages have in common: plots, colours, the policy."""

import math
import re
from dataclasses import replace

import pytest

from grader.contest.standings import Standing, Standings
from grader.pages.leaderboard import leaderboard_page
from grader.pages.page import content_hash, moment, own_file
from grader.pages.plots import Axis, Line, Mark, axis_from_zero, distribution, line_plot, round_ticks
from tests.browser import DESKTOP, PHONE, brightness, chromium, overflow, visitor

__all__ = ["chromium", "visitor"]  # fixtures

HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\">",
    "</script><script>document.title='owned'</script>",
    "gpj\u202etxt.exe",
    "x" * 200,
    "{{ 7 * 7 }} %s \x1b[31mred\x1b[0m",
)


def standing(participant, bac_mean, **changes):
    """Make a row of a board."""
    row = Standing(
        rank=None,
        participant=participant,
        reference=False,
        points=None if bac_mean is None else round(100 * min(max((bac_mean - 0.5) / 0.3, 0), 1)),
        bac=None if bac_mean is None else (bac_mean + 0.01, bac_mean - 0.01),
        bac_mean=bac_mean,
        deviation=None,
        seeds=1,
        verdict="OK",
        submissions=3,
        last="2026-11-21T18:36:07+00:00",
        tied=False,
        within_noise=False,
        shift=None,
    )
    return replace(row, **changes)


def public_board(people=60):
    """Make a public board with many participants, all hostile names, a tie, references, failures and a bound."""
    names = [*HOSTILE, *(f"Participant {k}" for k in range(people - len(HOSTILE)))]
    rows = [standing(name, 0.9 - 0.005 * k, rank=k + 1) for k, name in enumerate(names[:-2])]
    rows[11] = replace(rows[11], rank=11, tied=True, bac_mean=rows[10].bac_mean)
    rows[10] = replace(rows[10], tied=True)
    rows += [standing("co_teaching", 0.8701, reference=True), standing("all_samples", 0.6047, reference=True)]
    rows.sort(key=lambda row: -row.bac_mean)
    rows += [standing(names[-2], None, verdict="RuntimeError"), standing(names[-1], None, verdict="not graded")]
    return Standings("Learning from wrong labels", "test_a", tuple(rows), 0.8803, "2026-11-24T18:30:00+00:00")


def final_board():
    """Make a final ranking over three seeds, with shifts and with neighbours within the noise."""
    rows = (
        standing("Ada", 0.891, rank=1, deviation=0.004, seeds=3, shift=2),
        standing("Bartek", 0.890, rank=2, deviation=0.005, seeds=3, shift=-1, within_noise=True),
        standing("Chiara", 0.790, rank=3, deviation=0.002, seeds=3, shift=0),
    )
    return Standings("Learning from wrong labels", "test_b", rows, None, "2026-12-01T08:00:00+00:00")


EMPTY = Standings("Learning from wrong labels", "test_a", (), None, "2026-11-24T18:30:00+00:00")
ONLY_FAILED = replace(EMPTY, rows=(standing("Ada", None, verdict="TimeLimitExceeded"),), bound=0.88)
ONE = replace(EMPTY, rows=(standing("Ada", 0.31, rank=1),))
BOARDS = {
    "public": public_board(),
    "final": final_board(),
    "empty": EMPTY,
    "only failed": ONLY_FAILED,
    "one": ONE,
}


def column(page, selector):
    """Return the texts of a column, row by row, without rows that are hidden."""
    return [text.strip() for text in page.locator(f"tbody tr:visible {selector}").all_inner_texts()]


WALK = [
    pytest.param(
        width, scheme, marks=() if (width, scheme) in ((DESKTOP, "light"), (PHONE, "dark")) else pytest.mark.slow
    )
    for width in (DESKTOP, 900, PHONE)
    for scheme in ("light", "dark")
]


@pytest.mark.parametrize(("width", "scheme"), WALK)
@pytest.mark.parametrize("board", BOARDS)
def test_every_board_opens_in_peace_and_fits(visitor, board, width, scheme):
    """No console message, no request, nothing wider than the window, bright in light mode and dark in dark mode."""
    page = visitor.open(leaderboard_page(BOARDS[board]), width=width, scheme=scheme)
    assert overflow(page) <= 0
    assert (brightness(page) > 128) == (scheme == "light")
    assert page.locator("h1").inner_text() == "Learning from wrong labels"


def test_the_visitor_notices_trouble(chromium, visitor):
    """A script error, a request and a wide page are seen where they are: the tests of peace can fail."""
    page = visitor.open("<img src='file:///nowhere.png'><script>nonsense()</script><p style='width: 4000px'>wide")
    page.wait_for_load_state()
    seen, visitor.troubles = visitor.troubles, []
    assert any("nonsense" in trouble for trouble in seen)
    assert any("request: file:///nowhere.png" in trouble for trouble in seen)
    assert overflow(page) > 0


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_hostile_names_stay_text(visitor, width):
    """A name with markup, a script's end, an override of direction or 200 letters is shown as letters, and acts not."""
    page = visitor.open(leaderboard_page(BOARDS["public"]), width=width)
    names = [text.strip() for text in page.locator("tbody bdi").all_text_contents()]
    assert names[:4] == [HOSTILE[0], HOSTILE[1], "gpjtxt.exe", "x" * 200]
    assert "{{ 7 * 7 }} %s red" in names
    assert page.title() == "Learning from wrong labels: Public leaderboard"
    assert page.locator("main img").count() == 0
    assert page.locator("script").count() == 1


def test_markup_that_slipped_in_would_not_act(visitor):
    """Were a name not escaped, the policy would still keep its script, its handler, its style and its image still."""
    planted = HOSTILE[0] + HOSTILE[1] + "<style>body{display:none}</style><img src='https://example.org/x.png'>"
    text = leaderboard_page(BOARDS["final"]).replace("<main>", f"<main>{planted}")
    page = visitor.open(text)
    page.wait_for_load_state()
    assert page.title() == "Learning from wrong labels: Final ranking"
    assert page.locator("h1").is_visible()
    seen, visitor.troubles = visitor.troubles, []
    refused = [trouble for trouble in seen if "Content Security Policy" in trouble]
    assert len(refused) >= 4
    assert any("https://example.org/x.png" in trouble for trouble in refused)


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_search_finds_by_name(visitor, width):
    """Typing leaves the rows whose name holds the words, in any case, and says how many of how many these are."""
    page = visitor.open(leaderboard_page(BOARDS["public"]), width=width)
    everybody = len(BOARDS["public"].rows)
    assert len(column(page, ".name")) == everybody + 1  # and the bound
    page.get_by_label("Find a participant").fill("ipant 1")
    expected = [name for name in (row.participant for row in BOARDS["public"].rows) if "ipant 1" in name]
    assert column(page, ".name") == expected
    assert page.locator("#found").inner_text() == f"{len(expected)} of {everybody}"
    page.get_by_label("Find a participant").fill("PARTICIPANT 7")
    assert column(page, ".name") == ["Participant 7"]
    page.get_by_label("Find a participant").fill("")
    assert len(column(page, ".name")) == everybody + 1


@pytest.mark.parametrize("width", [DESKTOP, pytest.param(PHONE, marks=pytest.mark.slow)])
def test_every_column_sorts(visitor, width):
    """A header sorts its column, the second time the other way; what has no value is last; the rank restores all."""
    page = visitor.open(leaderboard_page(BOARDS["public"]), width=width)
    before = page.locator("tbody .name").all_text_contents()

    def sort(name):
        page.get_by_role("columnheader", name=name).get_by_role("button").click()
        [header] = page.locator("th[aria-sort]").all()
        assert header.inner_text().startswith(name)
        return header.get_attribute("aria-sort")

    def values(selector):
        return [cell.get_attribute("data-value") for cell in page.locator(f"tbody tr:not(.oracle) {selector}").all()]

    for name, selector in (("Points", ".points"), ("BAC mean", ".mean"), ("Model 2", ".model + .model")):
        for direction in ("descending", "ascending"):
            assert sort(name) == direction
            shown = values(selector)
            numbers = [float(value) for value in shown if value]
            assert numbers == sorted(numbers, reverse=direction == "descending")
            assert shown[len(numbers) :] == ["", ""]
    assert sort("Participant") == "ascending"
    names = [name for name in page.locator("tbody bdi").all_text_contents() if name.startswith("Participant")]
    assert names == [f"Participant {k}" for k in range(len(names))]
    assert sort("Rank") == "ascending"
    assert page.locator("tbody .name").all_text_contents() == before
    assert sort("Rank") == "descending"


def test_without_script_the_page_reads_the_same(visitor):
    """With scripts switched off all rows are there, best first, and nothing is offered that would not work."""
    page = visitor.open(leaderboard_page(BOARDS["public"]), script=False)
    assert len(column(page, ".name")) == len(BOARDS["public"].rows) + 1
    assert not page.locator(".toolbar").is_visible()
    assert page.locator("thead button").count() == 0
    assert page.locator("svg.plot:visible").count() == 1


def test_ties_references_and_the_bound_are_marked(visitor):
    """Equal ranks carry a sign, references have none and a tag, the bound stands between better and worse."""
    page = visitor.open(leaderboard_page(BOARDS["public"]))
    ranks = column(page, ".rank")
    assert ranks.count("11=") == 2
    assert page.locator("tr.is-reference .tag").all_inner_texts() == ["reference", "reference"]
    assert page.locator("tr.is-reference .rank").all_inner_texts() == ["◇", "◇"]
    order = page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.querySelector('.mean').dataset.value)")
    place = order.index("0.8803")
    assert min(map(float, order[:place])) > 0.8803 > max(float(value) for value in order[place + 1 :] if value)
    assert page.locator("tr.oracle .name").inner_text() == "the oracle’s bound"
    assert page.locator(".plot:visible text.bound").text_content() == "oracle 0.880"
    signs = page.locator(".signs").inner_text()
    assert "shares this rank" in signs
    assert "standard error" not in signs
    assert page.locator(".fault").all_inner_texts() == ["RuntimeError"]


def test_shifts_and_noise_of_the_final_ranking_are_marked(visitor):
    """A rise, a fall and an unchanged rank look different, and the neighbour within the noise carries its sign."""
    page = visitor.open(leaderboard_page(BOARDS["final"]))
    assert column(page, ".shift") == ["▲2", "▼1", "·"]
    assert column(page, ".rank") == ["1", "2≈", "3"]
    assert column(page, ".mean")[0].replace("\u202f", " ") == "0.8910 ± 0.0040"
    signs = page.locator(".signs").inner_text()
    assert "standard error" in signs
    assert "ranks gained or lost" in signs
    assert "reference solution" not in signs


def test_an_empty_board_says_so(visitor):
    """Without submissions there is a sentence, and neither table, plot nor script."""
    page = visitor.open(leaderboard_page(EMPTY))
    assert "No submissions yet" in page.locator("main").inner_text()
    assert page.locator("table, svg, script").count() == 0


def test_a_table_is_a_table_for_who_cannot_see_it(visitor):
    """On a phone, where rows are laid out as blocks, the table keeps its caption, headers and roles."""
    page = visitor.open(leaderboard_page(BOARDS["final"]), width=PHONE)
    assert page.get_by_role("table").count() == 1
    assert page.get_by_role("row").count() == 4
    assert page.get_by_role("rowheader").count() == 3
    assert page.get_by_role("columnheader").count() == 10
    assert page.locator("caption").inner_text()
    assert page.locator("th:not([scope])").count() == 0


@pytest.mark.parametrize("board", BOARDS)
def test_a_page_names_no_address(board):
    """Nothing in a page points elsewhere, and the policy names the checksums of its own style and script."""
    text = leaderboard_page(BOARDS[board])
    assert not re.search(r"(?:https?:)?//\w", text.replace("// Sorts the table", "").replace("// what has no", ""))
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert content_hash(re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]) in policy.replace("&#39;", "'")
    assert ("<script>" in text) == (board != "empty")
    assert "unsafe" not in policy


def test_the_distribution_counts_every_participant_once():
    """The bars of the plot add up to the number of scores, those on an edge or beyond the ends included."""
    scores = [0.5, 0.51, 0.599999, 0.8, 0.95, 0.3, 0.7 + 1e-12, 0.29 * 2]
    axis = Axis(0.5, 0.95, (0.5, 0.9))
    drawn = distribution("scores", axis, scores, 0.01, [Mark(0.7, "reference", "<b>")], [], 340)
    counts = [int(count) for count in re.findall(r"<title>(\d+) from", drawn)]
    assert sum(counts) == len(scores)
    assert "2 from 0.50 to 0.51" in drawn  # 0.5, and 0.3 at the low end
    assert "1 from 0.58 to 0.59" in drawn
    assert "&lt;b&gt;" in drawn


def test_a_gap_in_a_course_is_a_gap():
    """A missing or infinite value parts a line, and leaves a dot where one value stands alone."""
    axis = Axis(0.0, 1.0, (0.0, 1.0))
    points = ((0.0, 0.1), (0.2, 0.2), (0.4, None), (0.6, 0.3), (0.8, math.nan), (0.9, 0.1), (1.0, 0.2))
    drawn = line_plot("a course", axis, axis, [Line("one", points)])
    assert drawn.count("<polyline") == 2
    assert drawn.count("<circle") == 5
    assert "nan" not in drawn


def test_ticks_are_round_and_cover_the_axis():
    """Ticks are multiples of 1, 2 or 5 times a power of ten, within the axis, of which there are a few."""
    assert round_ticks(0.0, 1.0, 5) == pytest.approx((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    assert round_ticks(0.4, 1.0, 5) == pytest.approx((0.4, 0.6, 0.8, 1.0))
    for largest in (1e-9, 0.037, 1.0, 6.2, 168.0, 7000.0, 1e6):
        axis = axis_from_zero([None, math.nan, math.inf, largest])
        assert axis.share(largest) < 1.0
        assert 2 <= len(axis.ticks) <= 6
        labels = [f"{tick:.{axis.places}f}" for tick in axis.ticks]
        assert len(set(labels)) == len(labels)
    assert axis_from_zero([]).low == 0.0


COLOURS_OF_TEXT = ("ink", "soft", "one", "two", "bound", "good", "bad")


def luminance(colour):
    """Return the relative luminance of a colour like #0b62a4, as WCAG 2 defines it."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(scheme):
    """Every colour of text stands out from every background by 4.5 to 1 at least (WCAG 2, level AA)."""
    light, dark = re.findall(r":root \{(.*?)\}", own_file("style.css"), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light if scheme == "light" else dark))
    pairs = [(text, ground) for text in COLOURS_OF_TEXT for ground in ("paper", "raised", "faint")]
    for text, ground in (*pairs, ("ink", "bad-faint"), ("ink", "note-faint")):
        high, low = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)


def test_times_are_told_in_utc():
    """A time with another offset is told in UTC, and a text that is no time is left alone."""
    assert moment("2026-11-24T01:30:00+02:00") == "2026-11-23 23:30"
    assert moment("yesterday") == "yesterday"
    assert moment("") == ""
