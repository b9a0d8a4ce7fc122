"""The organizers' page: every button does what the command of its name does, for organizers alone."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from grader.contest.batch import grade_waiting, make_jobs
from grader.contest.events import Action, asked_again, pause_of
from grader.contest.reuse import Reuse
from grader.contest.stated import stated_settings
from grader.contest.store import Kind, Store
from grader.site.work import Desk
from grader.verdicts import Verdict
from tests.browser import PHONE, chromium, overflow
from tests.contest import Contest, Scripted
from tests.site import notebook, serve

__all__ = ["chromium", "serve"]  # fixtures

SOON = {"rules": {"closing": datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)}}
BUTTONS = ("pause", "resume", "extend", "announce", "freeze", "unfreeze", "publish", "withdraw")
FORM = "application/x-www-form-urlencoded"


def press(client, action, **fields):
    """Press a button of the organizers' page."""
    body = "&".join(f"{name}={value.replace(' ', '+')}" for name, value in fields.items())
    return client.ask("POST", f"/desk/{action}", body, Content_Type=FORM)


def log_of(site):
    """Return the actions of the log."""
    with site.store() as store:
        return [event.action for event in store.events()]


def grading(site, **verdicts):
    """Return the process that grades, answering from a script, with its open store."""
    store = site.store()
    return Desk(site.contest, store, Scripted(**verdicts)), store


def test_every_button_adds_the_entry_of_its_name(serve):
    """Pressed in order, each is one entry in the log, with who, and shows the page again."""
    site = serve(**SOON)
    olga = site.role("organizer")
    presses = [
        ("pause", {"reason": "power"}),
        ("resume", {}),
        ("extend", {"minutes": "30", "reason": "network"}),
        ("announce", {"message": "soup at seven"}),
        ("freeze", {}),
        ("unfreeze", {}),
        ("publish", {}),
    ]
    for action, fields in presses:
        answer = press(olga, action, **fields)
        assert (answer.status, answer.headers["location"]) == (303, "/desk"), action
    with site.store() as store:
        events = store.events()
    wanted = ["pause", "resume", "extend", "announce", "freeze", "unfreeze", "ask to publish"]
    assert [event.action.value for event in events] == wanted
    assert {event.who.partition(" ")[0] for event in events} == {"organizer"}
    assert [event.reason for event in events[:3]] == ["power", "", "network"]


@pytest.mark.parametrize("role", [None, "participant", "screen"])
def test_only_organizers_see_the_page_and_press_its_buttons(serve, role):
    """Everybody else is refused, by page, by download and by every button, and nothing is logged."""
    site = serve(**SOON)
    site.member("ann").hand_in(notebook())
    client = {None: site.client, "participant": lambda: site.member("bob"), "screen": lambda: site.role("screen")}[
        role
    ]()
    places = ("/desk", "/desk/results.csv")
    refused = 401 if role is None else 403
    assert [client.get(place).status for place in places] == [refused, refused]
    for action in (*BUTTONS, "submissions/1/set-aside", "submissions/1/take-back", "submissions/1/retry"):
        assert press(client, action, reason="mine", minutes="30", message="hello").status == refused, action
    assert log_of(site) == []


def test_a_button_of_another_site_does_nothing(serve):
    """A form that a foreign page sends with an organizer's cookie is refused."""
    site = serve(**SOON)
    olga = site.role("organizer")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": None, "Origin": "https://evil.example"}):
        answer = olga.ask("POST", "/desk/pause", "", **headers)
        assert answer.status == 403
    assert olga.get("/desk/pause").status == 405
    assert log_of(site) == []


@pytest.mark.parametrize(
    ("action", "fields", "status", "said"),
    [
        ("resume", {}, 409, "not paused"),
        ("extend", {"minutes": "-5", "reason": "x"}, 409, "whole number"),
        ("extend", {"minutes": "0", "reason": "x"}, 409, "no extension"),
        ("extend", {"minutes": "5"}, 409, "The reason may not be empty"),
        ("announce", {"message": " "}, 409, "The message may not be empty"),
        ("announce", {"message": "a" * 401}, 409, "400 fit"),
        ("unfreeze", {}, 409, "not frozen"),
        ("withdraw", {}, 409, "No final ranking is published"),
        ("dance", {}, 404, "no such action"),
        ("submissions/99/retry", {}, 404, "no such submission"),
        ("submissions/1/dance", {}, 404, "no such submission"),
        ("submissions/1/set-aside", {}, 409, "The reason may not be empty"),
        ("submissions/1/take-back", {"reason": "x"}, 409, "nothing to take back"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(serve, action, fields, status, said):
    """The page says why, and the log stays as it was."""
    site = serve(**SOON)
    site.member("ann").hand_in(notebook())
    answer = press(site.role("organizer"), action, **fields)
    assert answer.status == status
    assert said in answer.text
    assert log_of(site) == []


def test_what_is_set_aside_is_told_to_its_participant_alone(serve):
    """Their page of submissions and the submission's own page have the reason; nobody else's page has it."""
    site = serve(**SOON)
    ann, bob, olga = site.member("ann"), site.member("bob"), site.role("organizer")
    place = ann.hand_in(notebook("ann")).headers["location"]
    bob.hand_in(notebook("bob"))
    assert press(olga, "submissions/1/set-aside", reason="copied from Zoe").status == 303
    assert "copied from Zoe" in ann.get(place).text
    assert "set aside" in ann.get("/mine").text
    with site.store() as store:
        assert store.queue() == [2]
    for client in (bob, site.client(), site.role("screen")):
        assert not any("Zoe" in client.get(page).text for page in ("/", "/board", "/mine", "/hall", place))
    assert press(olga, "submissions/1/take-back", reason="it was hers").status == 303
    assert "set aside" not in ann.get("/mine").text
    with site.store() as store:
        assert store.queue() == [1, 2]


def test_an_extension_opens_the_door_again(serve):
    """After the file's closing nothing is taken; extended, a notebook is, and every page names the new time."""
    closing = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    site = serve(rules={"closing": closing})
    ann, olga = site.member("ann"), site.role("organizer")
    assert ann.hand_in(notebook()).status == 403
    assert press(olga, "extend", minutes="30", reason="the network").status == 303
    assert ann.hand_in(notebook()).status == 303
    for client in (ann, site.client()):
        assert f"{closing + timedelta(minutes=30):%Y-%m-%d %H:%M:%S} UTC" in client.get("/").text


def test_a_pause_holds_the_site_back(serve):
    """While grading is paused notebooks come in and none is graded; resumed, they are, in their order."""
    site = serve(**SOON)
    ann, olga = site.member("ann"), site.role("organizer")
    press(olga, "pause", reason="power")
    assert ann.hand_in(notebook("first")).status == 303
    desk, store = grading(site)
    with store:
        assert not desk.step()
        assert store.gradings() == []
        assert "paused" in olga.get("/desk").text
        press(olga, "resume")
        while desk.step():
            pass
        assert len(store.gradings()) == 1


def test_failures_of_ours_stand_on_top_and_are_graded_again(serve):
    """A failure is named with what was said, one button grades it again, and the log says what came of it."""
    site = serve(**SOON)
    ann, olga = site.member("ann"), site.role("organizer")
    ann.hand_in(notebook("broken"))
    ours = Verdict.INFRASTRUCTURE_ERROR
    desk, store = grading(site, broken=[ours, ours, Verdict.OK])
    with store:
        desk.step()
        text = olga.get("/desk").text
        assert text.index("Failed by our own fault") < text.index("What you can do")
        assert "it was InfrastructureError" in text
        assert "it was InfrastructureError" not in ann.get("/mine").text
        assert press(olga, "submissions/1/retry").status == 303
        assert "is graded again next" in olga.get("/desk").text
        assert press(olga, "submissions/1/retry").status == 409
        assert desk.step()
        assert asked_again(store.events()) == []
        text = olga.get("/desk").text
        assert "graded: OK with a BAC of 0.7000" in text
        assert "Failed by our own fault" not in text
        assert store.gradings()[-1].record.verdict is Verdict.OK


def test_a_result_that_is_there_is_compared(serve):
    """Graded again, a submission keeps its result, and the log says that both agree."""
    site = serve(**SOON)
    site.member("ann").hand_in(notebook("fine"))
    desk, store = grading(site)
    with store:
        desk.step()
        press(site.role("organizer"), "submissions/1/retry")
        desk.step()
        assert len(store.gradings()) == 1
        assert store.events()[-1].text.startswith("agrees with the first grading")


def test_a_frozen_board_stands_still_on_the_site(serve):
    """What is graded after the freeze is on no page but the organizers' own, until the board moves again."""
    site = serve(**SOON)
    ann, olga = site.member("ann"), site.role("organizer")
    ann.hand_in(notebook("first"))
    desk, store = grading(site)

    def work():
        desk._board_due = 0.0
        while desk.step():
            desk._board_due = 0.0

    with store:
        work()
        assert press(olga, "freeze", reason="the last hour").status == 303
        zoe = site.member("zoe")
        zoe.hand_in(notebook("second"))
        work()
        assert len(store.gradings()) == 2
        for place in ("/board", "/hall"):
            text = site.client().get(place).text
            assert "ann" in text
            assert "zoe" not in text
            assert "stands still" in text or "frozen at" in text
        assert [row["participant"] for row in results(olga)] == ["ann", "zoe"]
        press(olga, "unfreeze")
        work()
        assert "zoe" in site.client().get("/board").text


def results(olga):
    """Return the rows of the CSV that organizers download."""
    answer = olga.get("/desk/results.csv")
    assert answer.status == 200
    return list(csv.DictReader(io.StringIO(answer.body.decode())))


def test_the_final_is_published_by_who_has_the_data(serve):
    """The button asks; what is missing is told on the page; once all is graded it is public, and can be withdrawn."""
    site = serve(final={"seed": 1000})
    ann, olga, anybody = site.member("ann"), site.role("organizer"), site.client()
    ann.hand_in(notebook("first"))
    desk, store = grading(site)
    with store:
        desk.step()
        assert anybody.get("/final").status == 404
        press(olga, "publish")
        assert "is published next" in olga.get("/desk").text
        desk.step()
        assert "was not published: the final lacks 1 gradings" in olga.get("/desk").text
        [submission] = [each for each in store.submissions() if each.kind is Kind.PARTICIPANT]
        grade_for_the_final(site, store, submission)
        press(olga, "publish")
        desk.step()
        text = anybody.get("/final").text
        assert "ann" in text
        assert "0.7000" in text
        assert "Final ranking" in anybody.get("/hall").text
        press(olga, "withdraw", reason="a mistake")
        assert anybody.get("/final").status == 404
        assert "0.7000" not in "".join(anybody.get(place).text for place in ("/", "/board", "/hall"))


def grade_for_the_final(site, store, submission):
    """Grade a submission as the final does, by a script."""
    settings = replace(stated_settings(site.contest), split="test_b", seed=1000)
    jobs = make_jobs([submission], settings, [1000])
    reuse = Reuse(store, site.contest.runs, site.contest.data)
    grade_waiting([jobs], store, reuse, Scripted(), site.contest.runs, lambda event: None)


def test_the_page_finds_submissions_by_number_and_by_name(serve):
    """A number, a part of a name in any case; foreign names are text."""
    site = serve(**SOON)
    for name in ("ann", "bob", "<i>eve</i>"):
        site.member(name).hand_in(notebook(name))
    olga = site.role("organizer")

    def shown(wanted):
        text = olga.get(f"/desk?find={wanted}").text
        table = text[text.index('id="submissions"') : text.index("<h2>Log")]
        return [name for name in ("ann", "bob", "eve") if name in table.replace(f'value="{wanted}"', "")]

    assert shown("") == ["ann", "bob", "eve"]
    assert shown("2") == ["bob"]
    assert shown("ANN") == ["ann"]
    assert shown("nobody") == []
    assert shown("9" * 40) == []
    assert "&lt;i&gt;eve" in olga.get("/desk").text


def test_the_commands_and_the_page_share_one_log(serve):
    """What was paused on the terminal is paused on the page, and the other way round."""
    site = serve(**SOON)
    olga = site.role("organizer")
    Contest.call("pause", "--store", site.contest.store, "--reason", "power at eight")
    assert "power at eight" in olga.get("/desk").text
    press(olga, "resume")
    with Store(site.contest.store) as store:
        assert pause_of(store.events()) is None
        assert [event.action for event in store.events()] == [Action.PAUSE, Action.RESUME]


def test_the_page_holds_on_a_phone_and_without_scripts(serve, chromium):
    """In Chromium nothing goes wrong, nothing is wider than the window, and the buttons work with scripts off."""
    site = serve(**SOON)
    site.member('<img src=x onerror="alert(1)">').hand_in(notebook("eve"))
    with site.store() as store:
        secret = store.invite_role("organizer", site.clock())
    troubles = []
    for script in (True, False):
        context = chromium.new_context(viewport={"width": PHONE, "height": 800}, java_script_enabled=script)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: troubles.append(request.url) if not ours(request.url, site) else None)
        page.goto(f"{site.site.address}/enter/{secret}")
        page.get_by_role("button").click()
        page.wait_for_url("**/desk")
        assert page.locator("h1").inner_text() == "Organizers"
        if script:
            assert overflow(page) == 0
        page.get_by_label("Message to all").fill("soup at seven")
        page.get_by_role("button", name="Announce").click()
        assert "soup at seven" in page.inner_text(".announcements")
        page.goto(f"{site.site.address}/hall")
        assert page.get_by_text("Nothing is graded yet").is_visible()
        context.close()
    assert troubles == []
    assert log_of(site) == [Action.ANNOUNCE] * 2


def ours(url, site):
    """Say whether a request goes to the site itself."""
    return url.startswith((site.site.address, "data:"))
