"""The commands ``grader serve`` and ``grader work``: the site, and the process that grades what it receives."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Annotated
from urllib.parse import urlsplit

import typer

from competition.errors import SourceError
from competition.story import opening_of
from grader.contest import SiteStore, unless_stopped
from grader.contest_file import DEFAULT, Contest, ContestOption
from grader.options import fail, require_writable, say
from grader.verdicts import InfrastructureError

PACKAGES = ("starlette", "uvicorn", "python_multipart", "segno", "markdown_it")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
RESTART_SECONDS = 10.0
UrlOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="What participants type: https://contest.example.org.", show_default="contest.toml"
    ),
]


def address_of(host: str, port: int, url: str | None) -> str:
    """Return the address that participants type.

    Raises:
        typer.BadParameter: others than this machine are to reach the site, and nobody said by which address.
    """
    if url is None:
        if host not in LOOPBACK:
            raise typer.BadParameter(
                f"--host {host} opens the site to others: put a proxy with a certificate in front (docs/site.md has "
                "one), and say its address with --url, or url in contest.toml"
            )
        return f"http://{host if host != '::1' else '[::1]'}:{port}"
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise typer.BadParameter(f"--url {url} has no certificate: links and sessions need https://")
    return url.rstrip("/")


@contextmanager
def worker(contest: Contest) -> Iterator[None]:
    """Have another process grade meanwhile; where it ends, it is started again.

    It ends with this process, however this one ends: its standard input is a pipe that nobody else holds.
    """
    stopping = threading.Event()
    command = [sys.executable, "-m", "grader", "work", "--contest", str(contest.file), "--until-input-ends"]

    def supervise() -> None:
        while not stopping.is_set():
            process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
            while process.poll() is None and not stopping.wait(0.2):
                pass
            assert process.stdin is not None
            process.stdin.close()
            process.wait()
            if not stopping.is_set():
                say(f"notice: grading has ended, and begins again in {RESTART_SECONDS:g} s", err=True)
                stopping.wait(RESTART_SECONDS)

    thread = threading.Thread(target=supervise, name="worker")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def serve_command(
    contest: ContestOption,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8000,
    url: UrlOption = DEFAULT.site.url,
) -> None:
    """Open the contest's site: participants hand in and watch, everybody sees the board. Ctrl-C closes it.

    What was received is kept, and graded when the site is open again.
    """
    require_contest(contest)
    address = address_of(host, port, url)
    require_extra()
    from grader.site.handout import PUBLIC, make_handout
    from grader.site.running import make_server
    from grader.site.site import Site

    require_writable(folders=(contest.runs, contest.store.parent))
    try:
        with SiteStore(contest.store):
            handout = make_handout(contest.data, contest.store)
            opening = opening_of(contest.data / PUBLIC)
    except InfrastructureError as error:
        raise fail(error.message) from None
    except SourceError as error:
        raise fail(str(error)) from None
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise fail(f"the site cannot listen at {host}:{port}: {error.strerror}; --port takes another one") from None
    say(f"the site is open at {address}; 'grader invite' makes links, Ctrl-C closes it")
    with listener, worker(contest), suppress(KeyboardInterrupt):
        make_server(Site(contest, address, handout, opening=opening), proxied=url is not None).run([listener])
    say("the site is closed: what was received is kept, and graded when it is open again")


def require_extra() -> None:
    """Refuse to go on without the packages that only the site needs."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise fail(f"the site needs {', '.join(missing)}: pip install 'label-noise-competition[site]'")


def require_contest(contest: Contest) -> None:
    """Refuse to go on without a contest's folder."""
    if contest.file is None:
        raise typer.BadParameter("there is no contest.toml here: 'grader init FOLDER' begins a contest")


def work_command(
    contest: ContestOption,
    until_input_ends: Annotated[
        bool, typer.Option("--until-input-ends", help="End when the standard input does, as 'grader serve' asks.")
    ] = False,
) -> None:
    """Grade what the site has received, as it comes; 'grader serve' starts this by itself."""
    require_contest(contest)
    from grader.site.work import work

    if until_input_ends:
        end_with_input()
    with unless_stopped():
        work(contest)


def end_with_input() -> None:
    """End this process, and the sandbox with it, as soon as the standard input ends."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(0)  # the reaper of a running sandbox sees it, and ends the sandbox

    threading.Thread(target=watch, name="input", daemon=True).start()
