"""A site for the tests: a contest on debug data, a real server on loopback in a thread, and clients that talk to it."""

import http.client
import json
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from competition.notebook import graft, notebook_text
from competition.story import opening_of
from grader.contest.site_store import SiteStore
from grader.contest_file.reading import read_contest
from grader.site.handout import PUBLIC
from grader.site.running import make_server
from grader.site.site import Site
from tests.conftest import ALL_SAMPLES
from tests.contest import Contest

BOUNDARY = "boundary"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


def notebook(remark=""):
    """Return the bytes of a notebook that can be graded; another remark makes another solution."""
    return notebook_text(graft(f"# {remark}\n{ALL_SAMPLES}")).encode()


def form(raw, name="my.ipynb"):
    """Return the body of a form with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="notebook"; filename="{name}"\r\n\r\n'
    return head.encode() + raw + f"\r\n--{BOUNDARY}--\r\n".encode()


@dataclass
class Clock:
    """A clock that tests move."""

    ahead: timedelta = timedelta()

    def __call__(self):
        """Return the time."""
        return datetime.now(UTC) + self.ahead


@dataclass
class Answer:
    """What a site answered."""

    status: int
    headers: dict
    body: bytes

    @property
    def text(self):
        """The body as text, without style and script."""
        return re.sub(r"(?s)<style>.*?</style>|<script>.*?</script>", "", self.body.decode(errors="replace"))

    @property
    def json(self):
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Client:
    """Somebody who asks: with a cookie, or with a token."""

    port: int
    headers: dict = field(default_factory=dict)

    def ask(self, method, path, body=None, **headers):
        """Send one request; names of headers have _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            own = SAME_ORIGIN if method == "POST" else {}
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            every = {**own, **self.headers, **given}
            connection.request(method, path, body, {name: value for name, value in every.items() if value is not None})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            events = found.get("content-type", "").startswith("text/event-stream")
            return Answer(answer.status, found, answer.readline() if events else answer.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        """Ask for a page."""
        return self.ask("GET", path, **headers)

    def enter(self, secret):
        """Exchange a link's secret for a cookie."""
        answer = self.ask("POST", "/enter", f"secret={secret}")
        if answer.status == 303:
            self.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def hand_in(self, raw, name="my.ipynb", **headers):
        """Hand a notebook in by the form."""
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        return self.ask("POST", "/submissions", form(raw, name), **{"Content_Type": kind, **headers})


class Serving:
    """A contest's site, being served in a thread of this process; nobody grades."""

    def __init__(self, contest, handout=None, body_seconds=60.0):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.contest, self.clock = contest, Clock()
        opening = opening_of(contest.data / PUBLIC)
        self.site = Site(contest, f"http://127.0.0.1:{self.port}", handout, self.clock, body_seconds, opening)
        self.store().__exit__(None, None, None)  # there is one now
        self.server = make_server(self.site, proxied=False)
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            time.sleep(0.01)

    def close(self):
        """End the server."""
        self.server.should_exit = True
        self.thread.join()
        self.listener.close()

    def store(self):
        """Open the store."""
        return SiteStore(self.contest.store)

    def client(self):
        """Return somebody who is not inside."""
        return Client(self.port)

    def member(self, name):
        """Return a participant who is inside, invited where they were not."""
        with self.store() as store:
            if (known := store.invited(name)) is not None:
                store.revoke(known, self.clock())
            [secret] = store.invite([name], self.clock()).values()
        return self.inside(secret)

    def role(self, role):
        """Return an organizer or a screen who is inside."""
        with self.store() as store:
            return self.inside(store.invite_role(role, self.clock()))

    def inside(self, secret):
        """Return whoever has this link, inside."""
        client = self.client()
        assert client.enter(secret).status == 303
        return client


@pytest.fixture
def serve(tmp_path, data):
    """Serve a contest with these tables in its file; several calls serve the same contest again."""
    running = []
    written = Contest(tmp_path, data)

    def start(handout=None, body_seconds=60.0, **tables):
        running.append(Serving(read_contest(written.describe(**tables)), handout, body_seconds))
        return running[-1]

    yield start
    for each in running:
        each.close()
