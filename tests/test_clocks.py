"""The two clocks: the participant's runs while the training waits for the notebook, the guard holds for everything."""

import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import psutil
import pytest

import competition.notebook
import grader.grading.settings
import grader.grading.trainer
from grader.grading import Record
from grader.sandbox import Limits, ParticipantClock, Watchdog, clock, default_limits
from grader.sandbox.clock import OffTurnWork, Reading
from grader.sandbox.limits import CPU_GUARD, GPU_GUARD, OFF_TURN_SHARE, PARTICIPANT_SECONDS, guard_struck, too_slow
from grader.sandbox.watchdog import CpuSeen
from grader.verdicts import InfrastructureError, Verdict
from tests.confined import run_confined
from tests.conftest import ALL_SAMPLES
from tests.contest import make_record

CALL_3_NEVER_ENDS = """
import time
calls = 0

def your_select_indices(targets, losses):
    global calls
    calls += 1
    while calls == 3:
        time.sleep(1)
    return [[0], [1]]
"""
WORKS_OUT_OF_TURN = f"""
import os
for _ in range(4):
    if os.fork() == 0:
        while True:
            pass

{ALL_SAMPLES}"""


@pytest.fixture
def hands(monkeypatch):
    """Replace the time that clocks go by: a test moves it."""
    hands = SimpleNamespace(now=100.0)
    monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: hands.now))
    return hands


@pytest.fixture
def slow_training(monkeypatch):
    """Make the training slow, as on a machine with other work: so many seconds pass before each question."""

    def arrange(seconds):
        train = grader.grading.trainer.train_two_models

        def slow(train_loader, val_loader, select_indices, **options):
            def select_late(targets, losses):
                time.sleep(seconds)
                return select_indices(targets, losses)

            return train(train_loader, val_loader, select_late, **options)

        monkeypatch.setattr(grader.grading.trainer, "train_two_models", slow)

    return arrange


@pytest.fixture
def guard(monkeypatch):
    """Set a guard of so many seconds."""

    def arrange(seconds):
        monkeypatch.setattr(
            grader.grading.settings, "default_limits", lambda device, *_: default_limits(device, None, seconds)
        )

    return arrange


def test_the_clock_adds_up_the_waits_alone(hands):
    """What passes between two waits is the training's; the first wait is the notebook's start."""
    mine = ParticipantClock()
    for wait, work in ((7.0, 50.0), (2.0, 60.0), (3.0, 70.0)):
        with mine.waiting():
            hands.now += wait
        hands.now += work
    assert mine.read() == Reading(waits=3, start=7.0, answers=5.0)
    assert mine.read().seconds == 12.0


def test_the_clock_is_read_from_another_thread_while_it_runs(hands):
    """A wait without an end is seen from outside, as the watchdog must see it."""
    mine, seen = ParticipantClock(), []
    with mine.waiting():
        hands.now += 4.0
    with mine.waiting():
        hands.now += 280.0
        reader = threading.Thread(target=lambda: seen.append(mine.read()))
        reader.start()
        reader.join()
    assert seen == [Reading(waits=1, start=4.0, pending=280.0)]
    assert seen[0].seconds == 284.0


def test_a_wait_that_fails_counts_too(hands):
    """A notebook that ends in the middle of a call used its time."""
    mine = ParticipantClock()
    with suppress(ConnectionError), mine.waiting():
        hands.now += 5.0
        raise ConnectionError
    assert mine.read() == Reading(waits=1, start=5.0)


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        (
            Reading(pending=280.2),
            "had not come to its first call after 280.2 s of the 280 s that it may take; do less at",
        ),
        (Reading(waits=1, start=280.1), "had not come to its first call after 280.1 s"),
        (
            Reading(waits=1, start=20.0, pending=260.1),
            "call 1 (epoch 1, batch 1) had not returned after 260.1 s; of the",
        ),
        (
            Reading(waits=17, start=20.0, answers=60.0, pending=200.1),
            "call 17 (epoch 2, batch 7) had not returned after 200.1 s; of the 280 s that your notebook may take, 20.0 "
            "s went before the first call and 60.0 s into calls that returned; make your function faster",
        ),
        (Reading(waits=21, start=20.0, answers=260.1), "call 20 (epoch 2, batch 10) returned too late; of the 280 s"),
        (Reading(waits=21, start=200.0, answers=80.1), "80.1 s into calls that returned; do less at the top of your"),
    ],
)
def test_a_notebook_is_told_where_its_time_went(reading, said):
    """The message names the top of the notebook, or the call by its number, how long it took, and what to do."""
    fault = too_slow(Limits(), reading, batches=10)
    assert fault.verdict is Verdict.TIME_LIMIT
    assert said in fault.message


def test_a_solution_cell_waits_for_the_trainer(grade, monkeypatch):
    """It starts when the trainer is ready, and its clock does not pay for that."""
    get_ready, ready = grader.grading.trainer.get_ready, []

    def late(*given):
        get_ready(*given)
        time.sleep(8)
        ready.append(time.monotonic())

    monkeypatch.setattr(grader.grading.trainer, "get_ready", late)
    graded = grade("import time\nraise RuntimeError(f'it began at {time.monotonic()} s')")
    assert float(graded.record["message"].split("it began at ")[1].split(" s")[0]) > ready[0]
    assert graded.record["seconds"] > 8
    assert graded.record["clock_seconds"] < 8


def test_a_clock_waits_for_the_kernel(grade, monkeypatch):
    """What a kernel takes to start, until the grader's cell in front of the solution's, is nobody's time."""
    monkeypatch.setattr(competition.notebook, "WAIT", f"import time\ntime.sleep(8)\n{competition.notebook.WAIT}")
    graded = grade(ALL_SAMPLES)
    assert graded.record["verdict"] == "OK", graded.record["message"]
    assert graded.record["seconds"] > 8
    assert graded.record["clock_seconds"] < 8


UNWAITED = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(4):
    if os.fork() == 0:
        end = time.process_time() + 0.5
        while time.process_time() < end:
            pass
        os._exit(0)
    try:
        os.wait()
    except ChildProcessError:
        pass
print("done", flush=True)
time.sleep(60)
"""


def test_work_of_children_that_nobody_waits_for_is_seen():
    """Ended children are in no parent's CPU time where the parent ignores them; what was seen of each stays counted."""
    seen, used = CpuSeen(), 0.0
    with subprocess.Popen([sys.executable, "-c", UNWAITED], stdout=subprocess.PIPE) as worker:
        tree = psutil.Process(worker.pid)
        while used < 1.0:
            used = seen.look([tree, *tree.children(recursive=True)])
        assert worker.stdout.readline() == b"done\n"
        assert seen.look([tree]) >= used
        times = tree.cpu_times()
        worker.kill()
    assert times.user + times.system + times.children_user + times.children_system < 1.0


def test_a_watchdog_that_cannot_watch_ends_the_grading(grade, light, monkeypatch):
    """A notebook without a watchdog would have no limits: that is our failure."""

    def fails(*given):
        raise OSError("too many open files")

    monkeypatch.setattr(Watchdog, "_find_breach", fails)
    graded = grade("import time\ntime.sleep(1000)\n" + ALL_SAMPLES)
    assert (graded.status, graded.record["verdict"]) == (3, "InfrastructureError")
    assert "too many open files" in graded.record["message"]


@pytest.mark.parametrize(
    ("looks", "counted"),
    [
        ([(0.0, 0.4), (0.0, 0.4)], 0.8),  # both CPUs in the training's turn
        ([(0.2, 0.4), (0.2, 0.4)], 0.0),  # both CPUs in its own turn
        ([(0.1, 0.2), (0.05, 0.15)], 0.05),  # a turn that begins or ends between two looks: what it cannot have used
        ([(0.0, -1.0), (0.0, 0.3)], 0.3),  # a process has gone with its CPU time
    ],
    ids=["off turn", "in turn", "partly", "fewer processes"],
)
def test_work_out_of_turn_is_a_lower_bound(hands, looks, counted):
    """Of the CPU time between two looks, what two CPUs give in its turns is its own; before the first, nothing is."""
    mine = ParticipantClock()
    work, used = OffTurnWork(mine, cpus=2), 0.0
    for used in (5.0, 10.0):
        work.look(lambda: used)  # noqa: B023
    with mine.waiting():
        pass
    work.look(lambda: used)
    for turn, more in looks:
        with mine.waiting():
            hands.now += turn
        hands.now += 0.2 - turn
        used += more
        work.look(lambda: used)  # noqa: B023
    assert work.seconds == pytest.approx(counted)


def test_a_look_that_takes_long_accuses_nobody(hands):
    """Where the watchdog is held up while it looks, the notebook has the benefit of the doubt."""
    mine = ParticipantClock()
    work, used = OffTurnWork(mine, cpus=1), 0.0

    def held_up():
        hands.now += 5.0
        return used

    with mine.waiting():
        work.look(held_up)
        hands.now += 1.0
        used += 6.0  # one CPU all the time, from the moment of the first measurement or before it
        work.look(held_up)
    assert work.seconds == 0.0


def test_the_guard_is_the_machines_fault_unless_the_notebook_worked_out_of_turn():
    """Up to a tenth of the guard in CPU time out of turn, the training was late without it; beyond, it is a fault."""
    limits, reading = Limits(), Reading(waits=50, start=5.0, answers=20.0)
    allowed = OFF_TURN_SHARE * limits.guard
    slow = guard_struck(limits, reading, allowed)
    assert isinstance(slow, InfrastructureError)
    assert "the machine was too slow" in slow.message
    assert "took only 25.0 s of the 280 s" in slow.message
    fault = guard_struck(limits, reading, allowed + 0.1)
    assert fault.verdict is Verdict.TIME_LIMIT
    assert f"your notebook used {allowed + 0.1:.1f} s of CPU time while it was not its turn" in fault.message


def test_the_guard_grows_with_the_participants_limit():
    """Whoever grants a notebook more time grants the training as much as before; a guard of one's own stays."""
    assert default_limits("cpu") == Limits(PARTICIPANT_SECONDS, CPU_GUARD)
    assert default_limits("cuda") == Limits(PARTICIPANT_SECONDS, GPU_GUARD)
    assert default_limits("cuda", 1000.0) == Limits(1000.0, 1000.0 + GPU_GUARD - PARTICIPANT_SECONDS)
    assert default_limits("cuda", 10.0) == Limits(10.0, GPU_GUARD)
    assert default_limits("cpu", 10.0, 20.0) == Limits(10.0, 20.0)


def test_the_trainings_time_is_not_the_notebooks(tmp_path):
    """Three seconds in the training's turn break no limit of one second."""
    done = run_confined("import time\ntime.sleep(3)\nprint('done')", tmp_path, waited_for=False, seconds=1.0)
    assert (done.breach, done.printed) == (None, "done\n")


def test_a_call_without_an_end_is_named(grade, light):
    """The participant's clock strikes while a call is pending, and the message says which."""
    graded = grade(CALL_3_NEVER_ENDS, "--time-limit", "6")
    assert (graded.status, graded.record["verdict"]) == (1, "TimeLimitExceeded")
    assert "call 3 (epoch 2, batch 1) had not returned after" in graded.record["message"]
    assert graded.record["clock_seconds"] > graded.record["time_limit"] == 6
    assert graded.record["answer_seconds"] > 0


def test_a_top_without_an_end_is_named(grade, light):
    """A cell that never ends never connects: the clock runs from the notebook's start."""
    graded = grade("while True: pass", "--time-limit", "2")
    assert (graded.status, graded.record["verdict"]) == (1, "TimeLimitExceeded")
    assert "had not come to its first call after 2." in graded.record["message"]
    assert graded.record["answer_seconds"] == 0


def test_a_slow_machine_is_no_fault_of_the_notebook(grade, light, slow_training, guard):
    """When the guard strikes while the participant's clock keeps its limit, it is ours: exit 3, and no points."""
    slow_training(1.0)
    guard(4.0)
    graded = grade(ALL_SAMPLES)
    assert (graded.status, graded.record["verdict"], graded.record["points"]) == (3, "InfrastructureError", None)
    assert "the machine was too slow" in graded.record["message"]
    assert "grade again alone, or with fewer workers" in graded.record["message"]
    assert graded.record["seconds"] > graded.record["guard"] == 4
    assert graded.record["clock_seconds"] < graded.record["time_limit"]


def test_a_slow_training_costs_the_notebook_nothing(grade, light, slow_training):
    """The clock stands while the training works, however long that takes."""
    slow_training(0.25)
    graded = grade(ALL_SAMPLES)
    assert graded.record["verdict"] == "OK", graded.record["message"]
    assert graded.record["clock_seconds"] < graded.record["seconds"] - 12 * 0.25


@pytest.mark.slow
def test_a_grading_delayed_by_work_out_of_turn_is_the_participants(grade, light, slow_training, guard):
    """Processes that work on while the training does make the guard's strike the notebook's own fault."""
    slow_training(2.0)
    guard(12.0)
    graded = grade(WORKS_OUT_OF_TURN)
    assert (graded.status, graded.record["verdict"], graded.record["points"]) == (1, "TimeLimitExceeded", 0)
    assert "of CPU time while it was not its turn" in graded.record["message"]


def test_a_guard_that_leaves_no_time_for_the_training_is_refused(grade):
    """With a guard below the participant's limit, nobody could be blamed rightly: a usage error."""
    graded = grade(ALL_SAMPLES, "--time-limit", "60", "--guard", "60")
    assert graded.status == 2
    assert graded.run is None
    assert "must leave the training time beyond the 60 s" in " ".join(graded.printed.replace("│", " ").split())


def test_a_record_from_before_the_two_clocks_can_be_read():
    """There was one clock, over the whole grading: it counts as the participant's."""
    fields = json.loads(make_record(seconds=100.0, time_limit=1800.0).to_json())
    del fields["clock_seconds"], fields["guard"]
    record = Record.from_json(json.dumps(fields))
    assert (record.clock_seconds, record.time_limit, record.guard, record.seconds) == (100.0, 1800.0, 1800.0, 100.0)
