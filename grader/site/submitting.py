"""The command ``grader submit``: hands a notebook in at a site, waits, and shows what came of it."""

from __future__ import annotations

import http.client
import json
import secrets
import time
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from grader.grading import read_bytes
from grader.options import OURS, PARTICIPANT, USAGE, NotebookArgument, fail, say
from grader.safe_io import plain_line, plain_text
from grader.site.serving import LOOPBACK
from grader.verdicts import ParticipantFault, Verdict

POLL_SECONDS = 2.0
ANSWER_SECONDS = 60.0
PATIENCE_SECONDS = 300.0  # so long a site may be away, as while it is started again
MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Reply:
    """What a site answered: its status, and its JSON object."""

    status: int
    body: dict[str, Any]


class Door:
    """The way to a site, with a personal token.

    Args:
        address: of the site.
        token: from the page of one's submissions.

    Raises:
        typer.BadParameter: it is no address, or one to which no token may go.
    """

    def __init__(self, address: str, token: str) -> None:
        parts = urlsplit(address)
        local = parts.hostname in LOOPBACK
        if parts.scheme not in ("http", "https") or not parts.hostname or (parts.scheme == "http" and not local):
            raise typer.BadParameter(f"--to {address}: give the site's address, https://...")
        self._secure, self._place = parts.scheme == "https", parts.netloc
        self._headers = {"Accept": "application/json", "Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> Reply:
        """Send one request.

        Raises:
            OSError: there is no such site, or it does not answer.
        """
        make = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = make(self._place, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path, body, self._headers | ({"Content-Type": kind} if kind else {}))
            answer = connection.getresponse()
            found = json.loads(answer.read(MOST_BYTES))
            return Reply(answer.status, found if isinstance(found, dict) else {})
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(f"it gave no answer of this kit ({type(error).__name__})") from None
        finally:
            connection.close()


def submit_command(
    notebook: NotebookArgument,
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="The site.")],
    token: Annotated[
        str, typer.Option(envvar="GRADER_TOKEN", help="Yours, from the site; better in GRADER_TOKEN than here.")
    ] = "",
) -> None:
    """Hand a notebook in at a contest's site, wait until it is graded, and show the result.

    Exit status as with 'grader grade'; 2 where it was not received. Ctrl-C ends the waiting only.
    """
    if not token:
        raise typer.BadParameter("no token: make one on the site's page of your submissions, and set GRADER_TOKEN")
    raw = read_bytes(notebook)
    if isinstance(raw, ParticipantFault):
        raise typer.BadParameter(raw.message)
    door = Door(to, token)
    boundary = secrets.token_hex(16)
    try:
        reply = door.ask("POST", "/submissions", form(raw, boundary), f"multipart/form-data; boundary={boundary}")
    except OSError as error:
        raise fail(f"{to} cannot be reached: {error}; whether it was received stands on your page there") from None
    if reply.status != 201:
        say(f"error: not received: {plain_line(str(reply.body.get('error', reply.status)))}", err=True)
        raise typer.Exit(USAGE)
    place = str(reply.body.get("place"))
    say(f"received: {to}{plain_line(place)}")
    try:
        result = wait(door, place)
    except OSError as error:
        raise fail(f"{to} does not answer any more: {error}; the notebook is received and will be graded") from None
    except KeyboardInterrupt:
        say("stopped waiting; the notebook is received and will be graded", err=True)
        raise typer.Exit(130) from None
    show(result)


def form(raw: bytes, boundary: str) -> bytes:
    """Write a form with one file."""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="notebook"; filename="notebook.ipynb"\r\n\r\n'
    return head.encode() + raw + f"\r\n--{boundary}--\r\n".encode()


def wait(door: Door, place: str) -> dict[str, Any]:
    """Wait for a verdict, and show what the site tells meanwhile.

    Raises:
        OSError: the site has been away for too long, or knows the submission no more.
    """
    told: set[str] = set()
    last, answered = "", time.monotonic()
    while True:
        try:
            reply = door.ask("GET", place)
        except OSError:
            if time.monotonic() - answered > PATIENCE_SECONDS:
                raise
            time.sleep(POLL_SECONDS)
            continue
        if reply.status < 500:
            answered = time.monotonic()
        if 400 <= reply.status < 500:
            raise OSError(plain_line(str(reply.body.get("error", reply.status))))
        for notice in map(str, reply.body.get("notices", ())):
            if notice not in told:
                say(f"notice: {plain_line(notice)}", err=True)
            told.add(notice)
        words = str(reply.body.get("words", ""))
        if words != last and not reply.body.get("verdict"):
            say(plain_line(words))
        last = words
        if reply.body.get("verdict"):
            return reply.body
        time.sleep(POLL_SECONDS)


def show(result: dict[str, Any]) -> None:
    """Print a result and end with its status."""
    verdict, points = plain_line(str(result["verdict"])), result.get("points")
    say(verdict if points is None else f"{verdict}, {plain_line(str(points))} points")
    if verdict == Verdict.OK.value:
        return
    say(plain_text(str(result.get("message", ""))))
    raise typer.Exit(OURS if verdict == Verdict.INFRASTRUCTURE_ERROR.value else PARTICIPANT)
