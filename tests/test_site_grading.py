"""From an upload to the board: the worker's order, its phases, a batch beside it, and kills at any moment."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from grader.contest.site_store import note_phase
from grader.contest_file.reading import read_contest
from grader.site.reports import report_file
from grader.site.work import Desk, alone
from grader.verdicts import InfrastructureError, Verdict
from tests.conftest import REPOSITORY
from tests.contest import Contest, Scripted, contest, scripted
from tests.site import Client, form, notebook, serve

__all__ = ["contest", "scripted", "serve"]  # fixtures


class Told(Scripted):
    """Scripted workers that tell phases as a training does, and remember what the queue said then."""

    def __init__(self, serving, **verdicts):
        super().__init__(**verdicts)
        self.serving, self.words = serving, []

    def record(self, settings, verdict, bac):
        """Tell the phases of a training, then make the record of an answer."""
        for phase in ("epoch 1 of 6", "scoring"):
            settings.tell(phase)
            with self.serving.store() as store:
                [row] = store._connection.execute("SELECT phase FROM uploads WHERE phase NOT IN ('waiting', 'done')")
                self.words.append(row["phase"])
        return super().record(settings, verdict, bac)


def drain(serving, workers):
    """Let the worker's place do all that there is to do."""
    with serving.store() as store:
        desk = Desk(serving.contest, store, workers)
        while desk.step():
            desk._board_due = 0.0
        desk._board_due = 0.0
        desk.step()


def finished(serving):
    """Return the finished gradings of all uploads, as (participant, verdict)."""
    with serving.store() as store:
        names = {each.id: each.participant for each in store.submissions()}
        return [(names[each.submission_id], each.record.verdict) for each in store.gradings()]


def test_participants_take_turns_and_the_board_follows(serve):
    """Everybody's first notebook is graded before anybody's second; phases are told; report and board are there."""
    serving = serve()
    clients = {name: serving.member(name) for name in ("Ann", "Bob")}
    order = ("Ann 1", "Ann 2", "Bob 1", "Ann 3", "Bob 2")
    places = {each: clients[each[:3]].hand_in(notebook(each)).headers["location"] for each in order}
    assert "place 3 of 5" in clients["Ann"].get(places["Ann 2"]).text
    workers = Told(serving)
    drain(serving, workers)
    assert [name for name, _ in workers.calls] == ["Ann 1", "Bob 1", "Ann 2", "Bob 2", "Ann 3"]
    assert workers.words[:2] == ["epoch 1 of 6", "scoring"]
    assert finished(serving) == [(name[:3], Verdict.OK) for name, _ in workers.calls]
    page = clients["Ann"].get(places["Ann 1"]).text
    assert "OK" in page
    assert "Open the report" in page
    assert clients["Ann"].get(f"{places['Ann 1']}/report").status == 200
    board = serving.client().get("/board").text
    assert "Ann" in board
    assert "Bob" in board


def test_a_failure_of_ours_is_tried_again_with_the_next_worker(serve):
    """It does not block the queue, uses up nothing, and is graded when the work begins anew."""
    serving = serve(rules={"daily_limit": 1})
    ann = serving.member("Ann")
    place = ann.hand_in(notebook("Ann")).headers["location"]
    failing = Told(serving, Ann=[Verdict.INFRASTRUCTURE_ERROR])
    drain(serving, failing)
    assert "not your fault" in ann.get(place).text
    assert ann.hand_in(notebook("second")).status == 303
    with serving.store() as store:
        store.wait_again(failed=True)
    drain(serving, Told(serving))
    assert sorted(finished(serving)[-2:]) == [("Ann", Verdict.OK)] * 2
    assert "not your fault" not in ann.get(place).text


def test_a_batch_and_the_site_share_a_store(serve, scripted):
    """What a batch has graded is found by the site, and the other way; nothing is graded twice."""
    serving = serve()
    ann = serving.member("Ann")
    place = ann.hand_in(notebook("by batch")).headers["location"]
    mine = scripted()
    batch = ("batch", "--missing", "--contest", serving.contest.file)
    assert "1 graded now" in Contest.call(*batch)
    workers = Told(serving)
    drain(serving, workers)
    assert (len(mine.calls), len(workers.calls)) == (1, 0)
    assert "OK" in ann.get(place).text
    assert ann.get(f"{place}/report").status == 200
    ann.hand_in(notebook("by site"))
    drain(serving, workers)
    Contest.call(*batch)
    assert (len(mine.calls), len(workers.calls)) == (1, 1)
    assert len(finished(serving)) == 2


def test_a_removed_participant_is_graded_no_more(serve):
    """Who was removed leaves the queue and is not inside any more; taken back, they are in both again."""
    serving = serve()
    ann = serving.member("Ann")
    ann.hand_in(notebook("Ann"))
    store = ("--contest", serving.contest.file, "--reason", "a mistake")
    Contest.call("remove", "Ann", *store)
    workers = Told(serving)
    drain(serving, workers)
    assert workers.calls == []
    assert ann.get("/mine").status == 401
    Contest.call("remove", "Ann", *store, "--undo")
    drain(serving, workers)
    assert len(workers.calls) == 1


def test_one_worker_at_a_time(tmp_path):
    """A second worker with the same store is refused as long as the first one lives."""
    store = tmp_path / "contest.sqlite"
    with alone(store), pytest.raises(InfrastructureError, match="another process grades"), alone(store):
        pass
    with alone(store):
        pass


def test_a_phase_that_cannot_be_noted_ends_no_grading(tmp_path):
    """On a machine without the store nothing is made there, and nothing is raised."""
    note_phase(str(tmp_path / "nowhere.sqlite"), 1, "scoring")
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_a_step_is_known(serve):
    """A grading that never began, as while grading is paused, leaves its upload waiting."""
    serving = serve()
    serving.member("Ann").hand_in(notebook("Ann"))

    class Idle(Told):
        def outcomes(self, tasks, at_once):
            """Compute nothing."""
            return iter(())

    with serving.store() as store:
        assert not Desk(serving.contest, store, Idle(serving)).step()
        assert len(store.queue()) == 1


class Program:
    """`grader serve` in a process of its own, which is killed without mercy."""

    def __init__(self, file):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.file, self.process = file, None

    def start(self):
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "grader", "serve", "--contest", self.file, "--port", str(self.port)]
        self.process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(REPOSITORY)})
        while True:
            assert self.process.poll() is None
            try:
                assert Client(self.port).get("/").status == 200
                return
            except ConnectionError:
                time.sleep(0.1)

    def kill(self):
        """Kill it, and wait until its worker has seen it."""
        self.process.kill()
        self.process.wait()
        while True:
            try:
                with alone(read_contest(self.file).store):
                    return
            except InfrastructureError:
                time.sleep(0.1)


@pytest.mark.slow
def test_no_receipt_is_lost_whenever_the_site_is_killed(contest):
    """Killed while a body arrives, after the receipt, and while grading: all that was acknowledged is graded, once."""
    file = contest.describe()
    program = Program(file)
    Contest.call("invite", "--contest", file, "--out", contest.folder / "links.csv", "--screen")
    (contest.folder / "people.csv").write_text("name\nAnn\nBob\n")
    arguments = ("--contest", file, "--out", contest.folder / "links.csv", "--port", program.port)
    Contest.call("invite", contest.folder / "people.csv", *arguments)
    links = dict(re.findall(r"(\w+),http\S+/(\S+)", (contest.folder / "links.csv").read_text()))
    program.start()
    ann, bob = Client(program.port), Client(program.port)
    assert (ann.enter(links["Ann"]).status, bob.enter(links["Bob"]).status) == (303, 303)
    body = form(notebook("broken off"))
    head = f"POST /submissions HTTP/1.1\r\nHost: 127.0.0.1:{program.port}\r\nSec-Fetch-Site: same-origin\r\n"
    head += f"Cookie: {bob.headers['Cookie']}\r\nContent-Type: multipart/form-data; boundary=boundary\r\n"
    with socket.create_connection(("127.0.0.1", program.port)) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:2000])
        place = ann.hand_in(notebook("kept")).headers["location"]
        program.kill()
    program.start()
    words = ""
    while not words.startswith("epoch"):
        words = ann.get(place, Accept="application/json").json["words"]
        assert words != "graded", "it was too fast to be killed"
        time.sleep(0.05)
    program.kill()
    assert contest.gradings() == []
    program.start()
    try:
        while not (result := ann.get(place, Accept="application/json").json)["verdict"]:
            time.sleep(0.3)
        assert result["verdict"] == "OK"
        time.sleep(3)  # for a second grading to begin, if there was one
        assert [name for name, _ in contest.gradings()] == ["Ann"]
        assert ann.get(f"{place}/report").status == 200
        assert report_file(contest.runs, contest.gradings()[0][1].run).is_file()
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(30) == 0
    finally:
        program.process.kill()
