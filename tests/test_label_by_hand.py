"""A person teaches a network: what is shown, what may be typed, and what is kept however it ends."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from jupyter_client.manager import start_new_kernel
from rich.console import Console

from benchmarks import label_by_hand
from benchmarks.active import network as network_module
from benchmarks.active.images import EMBEDDED, NAMES, draw_task, read_images
from benchmarks.active.network import LearningOn
from benchmarks.active.person import RANDOM, RIGHT, STOP, YOU, Stopped, lesson, read_class
from benchmarks.active.screen import half_blocks, show_in_terminal
from tests.conftest import REPOSITORY

EMBEDDED_IMAGES = ["--images", str(REPOSITORY / EMBEDDED), "--start", "50"]


@pytest.fixture
def few_steps(monkeypatch):
    """Let networks take few steps."""
    monkeypatch.setattr(network_module, "FIRST_STEPS", 30)
    monkeypatch.setattr(network_module, "STEPS", 5)


@pytest.fixture(scope="module")
def task():
    """Draw a small task from the embedded classes."""
    return draw_task(read_images(REPOSITORY / EMBEDDED), 0, start=50, pool=24, held_out=100)


def typing(monkeypatch, *lines):
    """Type lines; an exception among them is raised as the terminal would."""
    left = iter(lines)

    def typed(prompt):
        line = next(left)
        print(prompt)
        if isinstance(line, type):
            raise line
        return line

    monkeypatch.setattr("builtins.input", typed)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        *[(str(number), number) for number in range(10)],
        *[(name, number) for number, name in enumerate(NAMES)],
        *[(" SHIRT ", 6), ("shi", 6), ("t", None), ("tr", 1), ("s", None), ("ankle", 9), ("A", 9), ("", None)],
        *[("10", None), ("-1", None), ("²", None), ("٣", None), ("9" * 5000, None), ("\x1b[A", None), ("6 6", None)],
    ],
)
def test_a_class_is_named_by_its_number_or_the_beginning_of_its_name(typed, meant):
    """Whatever names no class, or several, is none."""
    assert read_class(typed, NAMES) == meant


def test_one_word_stops():
    """No class begins with it."""
    assert not any(name.lower().startswith(STOP) for name in NAMES)
    with pytest.raises(Stopped):
        read_class(" Q\n", NAMES)


def test_who_is_always_right_teaches_as_well_as_the_truth(task, few_steps):
    """Right answers give the curve of the teacher who is always right; each image is asked once, the doubtful first."""
    asked = []

    def knows(question):
        [place] = [
            row for row, image in enumerate(task.pool) if image is question.image or (image == question.image).all()
        ]
        asked.append((place, question))
        return int(task.pool_labels[place])

    *_, last = lesson(task, 0, 100, knows)
    assert last.accuracy[YOU] == last.accuracy[RIGHT]
    assert len(last.accuracy[YOU]) == len(last.accuracy[RANDOM]) == 25  # the pool has 24
    assert (last.right, len(last.answers)) == (24, 24)
    assert sorted(place for place, _ in asked) == list(range(24))
    first = LearningOn(5, 0).fit(task.start, task.start_labels).predict_proba(task.pool)
    assert asked[0][0] == first.max(1).argmin()
    assert np.allclose(asked[0][1].probabilities, first[asked[0][0]], atol=1e-6)


def test_wrong_answers_are_learned(task, few_steps):
    """The network believes what it is told: a teacher who is always wrong leaves it worse than one who is right."""
    *_, last = lesson(task, 0, 24, lambda question: (int(question.probabilities.argmax()) + 1) % 5)
    assert last.right < 24
    assert last.accuracy[YOU][-1] < last.accuracy[RIGHT][-1]


ENDS = {
    "q": ["Q"],
    "end of input": [EOFError],
    "Ctrl-C": [KeyboardInterrupt],
    "Ctrl-C after nonsense": ["?", KeyboardInterrupt],
}


@pytest.mark.parametrize("end", ENDS)
def test_however_it_ends_what_was_said_is_kept_and_plotted(end, tmp_path, capsys, monkeypatch, few_steps):
    """Three answers, two bad ones among them, stand in the file with the truth; the plot is drawn, and drawn again."""
    typing(monkeypatch, "0", "nonsense", "7", "shirt", "1", *ENDS[end])
    out = tmp_path / "deep" / "kept.json"
    label_by_hand.main([*EMBEDDED_IMAGES, "--out", str(out)])
    printed = capsys.readouterr().out
    assert printed.count("That is no class, or several: a number from 0 to 4, or a name; q stops.") == 2 + (
        "?" in ENDS[end]
    )
    assert [int(number) for number in re.findall(r"Question (\d+) of 20", printed)] == [1, 2, 3, 4]
    kept = json.loads(out.read_text())
    assert [answer["said"] for answer in kept["answers"]] == [0, 4, 1]
    right = [answer["said"] == answer["truth"] for answer in kept["answers"]]
    told = re.findall(r"^(Right|No): ([\w-]+)\.", printed, re.MULTILINE)
    assert told == [
        ("Right" if fine else "No", kept["names"][answer["truth"]])
        for fine, answer in zip(right, kept["answers"], strict=True)
    ]
    assert {len(curve) for curve in kept["accuracy"].values()} == {4}
    flat = " ".join(printed.split())
    assert f"You were right in {sum(right)} of 3. The network went from {kept['accuracy'][YOU][0]:.1%} to" in flat
    picture = out.with_suffix(".png")
    drawn = picture.read_bytes()
    picture.unlink()
    label_by_hand.main(["--plot", "--out", str(out)])
    assert picture.read_bytes() == drawn
    assert capsys.readouterr().out.strip() in printed


def test_all_questions_answered_is_an_end_too(tmp_path, capsys, monkeypatch, few_steps):
    """After the last question nothing more is asked, and what is said beforehand is true."""
    typing(monkeypatch, "0", "1")
    label_by_hand.main([*EMBEDDED_IMAGES, "--queries", "2", "--out", str(tmp_path / "kept.json")])
    printed = " ".join(capsys.readouterr().out.split())
    assert "has learned from 50 labelled images. Of 4,000 others it asks" in printed
    assert "of 400 held-out images" in printed
    assert len(json.loads((tmp_path / "kept.json").read_text())["answers"]) == 2


def test_a_stop_while_the_network_learns_loses_that_answer_alone(tmp_path, capsys, monkeypatch, few_steps):
    """Ctrl-C that comes between two questions keeps all that was learned before."""
    typing(monkeypatch, "0", "1")
    fitted, fit = [], LearningOn.fit

    def interrupted(network, images, labels):
        fitted.append(len(labels))
        if len(fitted) > 3 + 3 + 1:  # three networks before, three after the first answer, one after the second
            raise KeyboardInterrupt
        return fit(network, images, labels)

    monkeypatch.setattr(LearningOn, "fit", interrupted)
    label_by_hand.main([*EMBEDDED_IMAGES, "--out", str(tmp_path / "kept.json")])
    assert len(json.loads((tmp_path / "kept.json").read_text())["answers"]) == 1
    assert (tmp_path / "kept.png").is_file()


def test_where_nothing_was_answered_nothing_is_kept(tmp_path, capsys, monkeypatch, few_steps):
    """An end before the first answer leaves no file."""
    typing(monkeypatch, EOFError)
    label_by_hand.main([*EMBEDDED_IMAGES, "--out", str(tmp_path / "kept.json")])
    assert "Nothing was answered, so nothing is kept." in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_answers_are_never_overwritten(tmp_path, monkeypatch, few_steps):
    """A file that is there is refused before anything is asked; without --out each lesson has a file of its own."""
    (tmp_path / "kept.json").write_text("{}")
    with pytest.raises(SystemExit, match="is there already: name another with --out"):
        label_by_hand.main([*EMBEDDED_IMAGES, "--out", str(tmp_path / "kept.json")])
    monkeypatch.chdir(tmp_path)
    typing(monkeypatch, "0", "q")
    label_by_hand.main(EMBEDDED_IMAGES)
    [kept] = (tmp_path / "build" / "by_hand").glob("*.json")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-\d{6}", kept.stem)


@pytest.mark.parametrize("content", [None, "{}", '{"answers": [1], "accuracy": {}}', '{"answers": [], "accuracy": []}'])
def test_a_plot_of_something_else_is_one_sentence(content, tmp_path):
    """No file, and one that this command did not write, are told as such."""
    if content is not None:
        (tmp_path / "kept.json").write_text(content)
    with pytest.raises(SystemExit, match=r"^error: .*kept\.json") as refused:
        label_by_hand.main(["--plot", "--out", str(tmp_path / "kept.json")])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("words", [["--queries", "0"], ["--start", "-1"], ["--seed", "-1"], ["--plot"]])
def test_impossible_options_are_usage_errors(words):
    """They end with status 2 before anything is learned."""
    with pytest.raises(SystemExit, match="2"):
        label_by_hand.main(words)


def test_half_blocks_hold_every_pixel():
    """The colours of the cells' halves, row by row, are the image's grey values."""
    image = np.random.default_rng(0).random((6, 4)).astype(np.float32)
    lines = half_blocks(image).split("\n")
    seen = np.array(
        [
            [[span.style.color.triplet.red, span.style.bgcolor.triplet.red] for span in line.spans if span.style]
            for line in lines
        ]
    )
    assert np.array_equal(seen.transpose(0, 2, 1).reshape(6, 4), np.round(image * 255))


@pytest.mark.parametrize(
    ("colours", "width", "blocks", "beside"),
    [
        ("truecolor", 80, True, True),
        ("256", 30, True, False),
        ("standard", 100, False, True),
        (None, 80, False, False),
        (None, 40, False, False),
    ],
)
def test_the_image_fits_the_terminal(colours, width, blocks, beside, capsys):
    """Half blocks where there are greys, characters elsewhere; the probabilities beside it, or below it."""
    image = np.linspace(0, 1, 784, dtype=np.float32).reshape(28, 28)
    console = Console(color_system=colours, width=width, force_terminal=colours is not None, legacy_windows=False)
    show_in_terminal(console, image, NAMES, np.eye(10, dtype=np.float32)[6] * 0.9 + 0.01)
    lines = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    rows = 14 if blocks else 28
    drawn = [line for line in lines if re.search("▀{28}" if blocks else r"[ .:=+*#%@-]{40}", line)]
    assert len(drawn) >= rows
    assert len(lines) == rows + (0 if beside else 10)
    assert ("ankle boot" in lines[9]) == beside
    assert max(len(line) for line in lines) <= width
    [shirt] = [line for line in lines if re.search(r"6 shirt", line)]
    assert "91%" in shirt
    assert ("█" * 18 in shirt) == (width > 30)


def wait_until_asleep(pid):
    """Wait until a process waits for something."""
    while psutil.Process(pid).status() != psutil.STATUS_SLEEPING:
        time.sleep(0.01)


@pytest.mark.slow
def test_a_person_at_a_terminal_stops_with_ctrl_c(tmp_path):
    """In a real terminal of 256 colours two answers are typed, then Ctrl-C; it ends with status 0, both are kept."""
    out = tmp_path / "kept.json"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.label_by_hand", *EMBEDDED_IMAGES, "--out", str(out)],
        **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
        cwd=REPOSITORY,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"},
        start_new_session=True,
    )
    os.close(theirs)
    printed, typed = b"", iter([b"0\n", b"shi\n", None])
    try:
        with contextlib.suppress(OSError):  # the terminal is gone as soon as the process is
            while chunk := os.read(ours, 65_536):
                printed += chunk
                if printed.endswith(b"What is it? "):
                    if (line := next(typed)) is None:
                        wait_until_asleep(process.pid)  # a signal before it reads would not end the reading
                        os.kill(process.pid, signal.SIGINT)
                    else:
                        os.write(ours, line)
        assert process.wait(timeout=60) == 0
    finally:
        os.close(ours)
        process.kill()
        process.wait()
    assert "▀".encode() in printed
    assert b"Traceback" not in printed
    assert [answer["said"] for answer in json.loads(out.read_text())["answers"]] == [0, 4]
    assert out.with_suffix(".png").is_file()


@pytest.mark.slow
def test_a_person_in_a_notebook_sees_figures(tmp_path, monkeypatch):
    """In a real kernel each question displays a figure, an answer is typed into the notebook, the plot comes last."""
    monkeypatch.chdir(REPOSITORY)
    out = tmp_path / "kept.json"
    manager, client = start_new_kernel()
    pictures, texts, answers = [], [], iter(["0", "nonsense", "shirt", "q"])

    def displayed(message):
        content = message["content"]
        if "image/png" in content.get("data", {}):
            pictures.append(content["data"]["image/png"])
        texts.append(content.get("text", "") + content.get("data", {}).get("text/plain", ""))

    code = f"from benchmarks.label_by_hand import play\nplay(start=50, images={EMBEDDED!r}, out={str(out)!r})"
    try:
        reply = client.execute_interactive(
            code,
            allow_stdin=True,
            stdin_hook=lambda message: client.input(next(answers)),
            output_hook=displayed,
            timeout=120,
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert reply["content"]["status"] == "ok", reply["content"]
    assert len(pictures) == 4  # three questions, the last of them not answered, and the plot
    assert "That is no class, or several" in "".join(texts)
    assert [answer["said"] for answer in json.loads(out.read_text())["answers"]] == [0, 4]
