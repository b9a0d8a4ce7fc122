"""Every page of the site as every role: what each may see, and what nobody sees, whoever asks."""

import json
import re
import socket
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from grader.site.app import ROUTES
from grader.site.page import both_times
from grader.site.reports import report_file
from tests.contest import make_key, make_record
from tests.site import notebook, serve

__all__ = ["serve"]  # a fixture
ROLES = ("nobody", "participant", "organizer", "screen")
HOSTILE = '<img src=x onerror="alert(1)">\u202eEve'
# Figures that no page may show: scores on the final split, with another seed, on another draw; a board's exact result.
PRIVATE = ("0.6180", "61803", "0.7182", "71828", "0.8115", "81155")
OURS = ("0.5772", "57721", "secret folder")  # what we say of a failure of ours, for organizers alone, on their page


@pytest.fixture
def evening(serve):
    """Serve a contest in the middle of it: Ann is graded, Bob and somebody hostile wait; private results are there."""
    serving = serve()
    clients = {name: serving.member(name) for name in ("Ann", "Bob", HOSTILE)}
    places = {
        name: client.hand_in(notebook(name), f"{name}.ipynb").headers["location"] for name, client in clients.items()
    }
    with serving.store() as store:
        ann, bob, _ = sorted(store.submissions(), key=lambda each: each.id)
        key = make_key(ann.code)
        run = store.add(ann, key, make_record((0.81155, 0.81155), message="Ann's words"), "run-ann").run
        for changes in (
            {"split": "test_b"},
            {"seed": 7, "split": "test_a"},
            {"train": "redraw-1"},
        ):
            record = make_record((0.61803, 0.71828), **changes)
            store.add(ann, make_key(ann.code, **changes), record, "run-private")
        message = "secret folder /srv/contest/data/private is full: 0.57721"
        ours = make_record(verdict=make_record().verdict.INFRASTRUCTURE_ERROR, message=message)
        store.add(bob, make_key(bob.code), ours, "run-lost")
        store.end(ann.id, serving.clock())
        rows = [
            {
                "rank": 1,
                "tied": False,
                "participant": name,
                "reference": False,
                "imitates": False,
                "points": 97,
                "submissions": 1,
                "last": "2026-03-01T12:00:00+00:00",
                "counted": ann.id if name == "Ann" else None,
            }
            for name in clients
        ]
        store.show_board(json.dumps(rows), serving.clock())
    file = report_file(serving.contest.runs, run)
    file.parent.mkdir(parents=True)
    file.write_text("<!DOCTYPE html><p>The report of Ann</p><script>alert(1)</script>")
    return serving, clients, places


def crawl(client, start):
    """Follow all links from these pages; return what each path gave."""
    seen, waiting = {}, list(start)
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen[path] = client.get(path)
        if "html" in seen[path].headers.get("content-type", ""):
            waiting += re.findall(r'(?:href|action|data-follow)="(/[^"]*)"', seen[path].text)
    return seen


def test_no_page_shows_what_is_private(evening):
    """Crawled as every role, from every address, no page holds a private figure, or markup of a participant."""
    serving, clients, places = evening
    visitors = {"nobody": serving.client(), **{role: serving.role(role) for role in ("organizer", "screen")}, **clients}
    fixed = [
        route.path.replace("{receipt}", "x").replace("{secret}", "x") for route in ROUTES if "GET" in route.methods
    ]
    every = [*fixed, *(f"{place}{end}" for place in places.values() for end in ("", "/report", "/notebook"))]
    with serving.store() as store:
        hashes = [row[0] for row in store._connection.execute("SELECT link_sha256 FROM members")]
        hashes += [row[0] for row in store._connection.execute("SELECT secret_sha256 FROM sessions")]
    for name, visitor in visitors.items():
        pages = crawl(visitor, every)
        assert sum(page.status == 200 for page in pages.values()) >= 3
        for path, page in pages.items():
            unseen = (
                (*PRIVATE, *hashes) if name == "organizer" and path.startswith("/desk") else (*PRIVATE, *OURS, *hashes)
            )
            found = [each for each in unseen if each in page.body.decode(errors="replace")]
            assert found == [], (name, path)
            if path.endswith(("/report", "/notebook")):
                continue
            assert "<img" not in page.text, (name, path)
            assert "\u202e" not in page.text, (name, path)
            assert 'onerror="' not in page.text, (name, path)


def test_nobody_sees_what_is_somebody_elses(evening):
    """Another participant's submission, its events, report and notebook are not there for anybody else."""
    serving, clients, places = evening
    others = [clients["Bob"], clients[HOSTILE], serving.role("organizer"), serving.role("screen"), serving.client()]
    for visitor in others:
        for end in ("", "/events", "/report", "/notebook"):
            answer = visitor.get(f"{places['Ann']}{end}")
            assert answer.status in (401, 403, 404), end
            assert "Ann" not in answer.text
        for end in ("/choose", "/unchoose"):
            assert visitor.ask("POST", f"{places['Ann']}{end}").status in (401, 403, 404)
    with serving.store() as store:
        assert not any(each.final for each in store.submissions())


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", ROLES),
        ("/board", ROLES),
        ("/hall", ROLES),
        ("/mine", ("participant",)),
        ("/desk", ("organizer",)),
        ("/handout.zip", ("participant", "organizer")),
    ],
)
def test_each_page_is_for_its_roles(serve, tmp_path, path, allowed):
    """Who may not see a page gets 401 or 403, and a sentence that says what to do."""
    handout = tmp_path / "handout.zip"
    handout.write_bytes(b"zip")
    serving = serve(handout)
    visitors = {
        "nobody": serving.client(),
        "participant": serving.member("Ann"),
        "organizer": serving.role("organizer"),
        "screen": serving.role("screen"),
    }
    for role, visitor in visitors.items():
        answer = visitor.get(path)
        assert answer.status == (200 if role in allowed else 401 if role == "nobody" else 403), role
        if answer.status == 401:
            assert "Open your own link" in answer.text


def test_the_data_is_handed_out_from_the_opening_on(serve, tmp_path):
    """Before the opening participants cannot download it, and the page says so; organizers can."""
    handout = tmp_path / "handout.zip"
    handout.write_bytes(b"zip")
    serving = serve(handout, rules={"opening": datetime.now(UTC) + timedelta(hours=1)})
    ann, organizer = serving.member("Ann"), serving.role("organizer")
    assert (ann.get("/handout.zip").status, organizer.get("/handout.zip").status) == (403, 200)
    assert "from the opening on" in ann.get("/").text
    serving.clock.ahead = timedelta(hours=2)
    assert ann.get("/handout.zip").body == b"zip"


def test_nobody_listens_without_end(serve):
    """A participant has eight streams of events at a time; somebody else's are theirs."""
    serving = serve()
    ann, bob = serving.member("Ann"), serving.member("Bob")
    place, other = (each.hand_in(notebook()).headers["location"] for each in (ann, bob))
    head = f"GET {place}/events HTTP/1.1\r\nHost: 127.0.0.1:{serving.port}\r\nCookie: {ann.headers['Cookie']}\r\n\r\n"
    with ExitStack() as streams:
        for _ in range(8):
            stream = streams.enter_context(socket.create_connection(("127.0.0.1", serving.port)))
            stream.sendall(head.encode())
            assert b"200 OK" in stream.recv(1000)
        assert ann.get(f"{place}/events").status == 429
        assert bob.get(f"{other}/events").status == 200
    while ann.get(f"{place}/events").status == 429:
        time.sleep(0.05)


def test_a_slow_form_is_ended(serve, monkeypatch):
    """The form of a link, which everybody may send, does not hold a connection for long."""
    monkeypatch.setattr("grader.site.entering.FORM_SECONDS", 0.5)
    serving = serve()
    head = f"POST /enter HTTP/1.1\r\nHost: 127.0.0.1:{serving.port}\r\nSec-Fetch-Site: same-origin\r\n"
    with socket.create_connection(("127.0.0.1", serving.port)) as connection:
        connection.sendall(f"{head}Content-Length: 100\r\n\r\nsecret=".encode())
        assert b"408" in connection.recv(1000)
    assert serving.client().ask("POST", "/enter", "x" * 10_000).status == 413


def test_the_board_may_be_for_members_alone(serve):
    """With board = "members" a stranger is asked for a link, and every role sees it."""
    serving = serve(site={"board": "members"})
    assert serving.client().get("/board").status == 401
    assert serving.member("Ann").get("/board").status == serving.role("screen").get("/board").status == 200


def test_the_board_shows_whole_points_and_no_score(evening):
    """The board has ranks, whole points and names as text; no balanced accuracy."""
    serving, *_ = evening
    board = serving.client().get("/board").text
    assert "97" in board
    assert "onerror=&#34;alert(1)&#34;" in board
    assert not re.search(r"0\.\d{3,}", board)


def test_a_report_is_in_a_sandbox(evening):
    """A report is served with a policy under which no script runs, and nothing guesses its type."""
    _, clients, places = evening
    answer = clients["Ann"].get(f"{places['Ann']}/report")
    assert answer.status == 200
    assert answer.headers["content-security-policy"].startswith("sandbox;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert clients["Ann"].get(f"{places['Ann']}").text.count("/report") == 1


def test_a_failure_of_ours_is_told_as_ours(evening):
    """A grading that failed by our own fault shows neither its message nor points, and is not final."""
    serving, clients, places = evening
    with serving.store() as store:
        store.end(next(each.id for each in store.submissions() if each.participant == "Bob"), serving.clock())
    page = clients["Bob"].get(places["Bob"]).text
    assert "InfrastructureError" in page
    assert "not your fault" in page
    assert "our failure, not counted" in clients["Bob"].get("/mine").text


def test_what_counts_is_marked_and_finals_are_chosen(evening):
    """One's own page marks the submission that counts; as many as allowed are chosen for the final, and taken back."""
    serving, clients, places = evening
    ann = clients["Ann"]
    assert ann.get("/mine").text.count(">counts<") == 1
    more = [ann.hand_in(notebook(str(number))).headers["location"] for number in range(2)]
    for place, status in ((places["Ann"], 303), (more[0], 303), (more[1], 409)):
        assert ann.ask("POST", f"{place}/choose").status == status
    assert ann.ask("POST", f"{more[0]}/unchoose").status == 303
    assert ann.ask("POST", f"{more[1]}/choose").status == 303
    with serving.store() as store:
        assert sum(each.final for each in store.submissions()) == 2


def test_a_get_changes_nothing(evening):
    """No GET, of a link, a page or an address that takes POST, changes the store; a link is not used up by it."""
    serving, clients, places = evening

    def state():
        with serving.store() as store:
            return [
                list(map(tuple, store._connection.execute(f"SELECT * FROM {table}")))
                for table in ("members", "sessions", "submissions", "uploads", "gradings", "events")
            ]

    with serving.store() as store:
        [secret] = store.invite(["Dora"], serving.clock()).values()
    before = state()
    paths = [route.path.replace("{receipt}", places["Ann"].rpartition("/")[2]) for route in ROUTES]
    for path in paths:
        if not path.endswith("/events"):
            clients["Ann"].get(path.replace("{secret}", secret))
    assert state() == before
    assert serving.client().enter(secret).status == 303


def test_a_post_from_elsewhere_is_refused(evening):
    """By Sec-Fetch-Site, else by Origin: what does not come from a page of this site changes nothing."""
    serving, clients, places = evening
    ann, own = clients["Ann"], serving.site.address
    refused = [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": None},
        {"Sec_Fetch_Site": None, "Origin": "null"},
        {"Sec_Fetch_Site": None, "Origin": "https://evil.example"},
        {"Sec_Fetch_Site": None, "Origin": own + ".evil.example"},
        {"Sec_Fetch_Site": "cross-site", "Origin": own},
    ]
    for path in [
        route.path.replace("{receipt}", places["Ann"].rpartition("/")[2]) for route in ROUTES if "POST" in route.methods
    ]:
        for headers in refused:
            assert ann.ask("POST", path, **headers).status == 403, (path, headers)
    assert ann.get("/mine").status == 200  # the session is still there
    assert ann.ask("POST", f"{places['Ann']}/choose", Sec_Fetch_Site=None, Origin=own).status == 303


def test_a_name_of_another_host_is_refused(evening):
    """A request that names another host, as after DNS rebinding, gets no page; neither does another method."""
    _, clients, _ = evening
    assert clients["Ann"].get("/mine", Host="evil.example").status == 421
    assert clients["Ann"].ask("PUT", "/mine").status == 405
    assert clients["Ann"].ask("DELETE", "/mine").status == 405


def test_there_is_no_registration_and_no_way_to_another_site(evening):
    """No address registers or resets anybody, and none answers with a place that the request named."""
    serving, clients, _ = evening
    nowhere = "/register /login /reset /admin /api /static/../contest.toml /docs /openapi.json"
    for path in nowhere.split():
        assert serving.client().get(path).status == 404
    with serving.store() as store:
        [secret] = store.invite(["Dora"], serving.clock()).values()
    for query in ("?next=https://evil.example", "?redirect=//evil.example"):
        answer = serving.client().ask("POST", f"/enter{query}", f"secret={secret}&next=https://evil.example")
        assert answer.headers["location"] == "/mine"
        assert clients["Bob"].ask("POST", f"/leave{query}").headers["location"] == "/"


def test_every_page_tells_the_servers_time_and_the_contests(serve):
    """The server's time, in UTC, stands on every page, with the closing; an error's page has it too."""
    serving = serve(rules={"closing": datetime(2036, 3, 31, 16, tzinfo=UTC)})
    ann = serving.member("Ann")
    for path in ("/", "/board", "/mine", "/nothing", "/enter/x"):
        text = ann.get(path).text
        assert re.search(r"Server time <time [^>]*>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", text), path
        assert "2036-03-31 16:00:00 UTC" in text


def test_times_are_told_in_the_servers_zone_too(monkeypatch):
    """Where the server's zone is not UTC, a time stands in both, with the day where it is another one."""
    try:
        monkeypatch.setenv("TZ", "XYZ-2")
        time.tzset()
        assert both_times("2026-03-01T12:00:00+00:00") == "2026-03-01 12:00:00 UTC (14:00:00 XYZ)"
        assert both_times("2026-03-01T23:30:00+00:00") == "2026-03-01 23:30:00 UTC (01:30:00 XYZ, 02 Mar)"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_web_process_opens_no_private_data(evening, data):
    """Whatever is asked for, nothing below data/private is opened, listed or looked into."""
    serving, clients, places = evening
    opened, watching = [], [True]

    def watch(event, arguments):
        if watching and event in ("open", "os.listdir", "os.scandir") and "private" in str(arguments[0]):
            opened.append((event, arguments[0]))

    sys.addaudithook(watch)
    try:
        list((data / "private").iterdir())  # that the hook sees
        assert opened
        opened.clear()
        for client in (*clients.values(), serving.role("organizer"), serving.client()):
            crawl(client, ["/", "/board", "/mine", "/handout.zip", *places.values()])
        clients["Ann"].hand_in(notebook("again"))
    finally:
        watching.clear()
    assert opened == []
