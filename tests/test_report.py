"""Reports of real runs in both editions, and what becomes of hostile output on its way into one."""

import csv
import errno
import json
import re
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from markupsafe import escape
from PIL import Image
from typer.testing import CliRunner

from competition.notebook import SOLUTION_MARKER
from competition.splits import open_split
from competition.task.symptoms import symptoms
from grader.cli import app
from grader.grading import (
    evaluate,
    load_models,
    read_record,
    unpack_losses,
    unpack_selections,
)
from grader.pages import make_report, report_page
from grader.pages.gathering import ADVICE, histogram
from grader.safe_io import plain_text
from grader.verdicts import Verdict
from tests.browser import DESKTOP, PHONE, brightness, chromium, overflow, visitor
from tests.conftest import ALL_SAMPLES
from tests.reported import ATTACK, PRINTED, broken, copy, good, stored

__all__ = ["broken", "chromium", "copy", "good", "visitor"]  # fixtures

CANARY = "canary-7d20"


def pages(run, data):
    """Return both editions, the participant's first."""
    return [report_page(make_report(run, data, for_organizer=flag)) for flag in (False, True)]


def truth_table(data):
    """Return the noisy and the clean labels of the training data, in file order."""
    train = open_split(data / "public", "train").dataset
    with open(data / "private" / "train_truth.csv", newline="") as stream:
        clean = {row["file"]: int(row["clean_label"]) for row in csv.DictReader(stream)}
    return train.targets.numpy(), np.array([clean[name] for name in train.files])


def test_both_editions_show_what_was_kept(good, data):
    """The counts per class, model and epoch are those of the stored selections, repeats told apart."""
    report = make_report(good, data, for_organizer=False)
    noisy, _ = truth_table(data)
    steps = unpack_selections(good)
    assert report.kept.available.tolist() == np.bincount(noisy).tolist()
    for epoch in range(6):
        for model in (0, 1):
            places = [128 * half + steps[2 * epoch + half][model] for half in (0, 1)]
            every, different = np.concatenate(places), np.unique(np.concatenate(places))
            assert report.kept.picks[epoch, model].tolist() == np.bincount(noisy[every], minlength=2).tolist()
            assert report.kept.samples[epoch, model].tolist() == np.bincount(noisy[different], minlength=2).tolist()
    assert (report.kept.picks[:, 0].sum(axis=1) - report.kept.samples[:, 0].sum(axis=1) == 6).all()
    assert [epoch.val_bac for epoch in report.history]
    assert report.gaps == report.notes == ()


def test_the_organizers_edition_shows_the_truth(good, data):
    """Purity, the histograms and the framed images agree with the truth file."""
    truth = make_report(good, data, for_organizer=True).truth
    noisy, clean = truth_table(data)
    wrong = noisy != clean
    assert (truth.flipped, truth.samples) == (wrong.sum(), len(noisy))
    picked = [128 * (step % 2) + indices for step, pair in enumerate(unpack_selections(good)) for indices in pair]
    assert truth.quality.purity == pytest.approx(1 - wrong[np.concatenate(picked)].mean())
    losses = unpack_losses(good, len(noisy)).mean(axis=1)
    for found in truth.losses:
        edges, values = found.histogram.edges, losses[found.epoch - 1]
        assert found.histogram.clean.sum() == pytest.approx(1.0)
        assert found.histogram.flipped[0] == pytest.approx(((values < edges[1]) & wrong).sum() / wrong.sum(), abs=0.02)
    assert [found.epoch for found in truth.losses] == [1, 6]
    train = open_split(data / "public", "train").dataset
    originals = {(image.numpy()[0] * 255).round().astype(np.uint8).tobytes(): k for k, image in enumerate(train.images)}
    for row in truth.images:
        assert len(row.images) == 8
        frequencies = [image.frequency for image in row.images]
        assert frequencies == sorted(frequencies, reverse=row.most)
        for image in row.images:
            place = originals[np.asarray(Image.open(BytesIO(image.png))).tobytes()]
            assert (image.noisy, image.clean) == (noisy[place], clean[place]) == (row.noisy, clean[place])
            assert image.frequency == pytest.approx(truth.quality.frequency[place])
        of_class = np.sort(truth.quality.frequency[noisy == row.noisy])
        assert frequencies[0] == pytest.approx(of_class[-1] if row.most else of_class[0])


def test_the_participants_edition_carries_nothing_private(good, data, copy):
    """Neither the truth nor a figure of another private split is in it: only the public score."""
    record = json.loads((good / "record.json").read_text())
    shown, secret = pages(good, data)
    assert f"{record['bac'][0]:.4f}" in shown
    assert record["split_sha256"] not in shown
    assert record["split_sha256"] in secret
    final = evaluate(load_models(good), open_split(data / "private", "test_b").dataset)
    history = json.loads((good / "history.json").read_text())
    public = [figures for epoch in history for figures in (epoch["val_bac"], *epoch["val_recall"])]
    known = {f"{figure:.4f}" for figures in public for figure in figures}
    known |= {f"{bac:.4f}" for bac in (*record["bac"], record["bac_mean"])}
    assert not any(figure in shown for figure in {f"{bac:.4f}" for bac in final} - known)
    for words in ("purity", "clean recall", "truly", "labels are wrong", "organizer"):
        assert words in secret.lower()
        assert words not in shown.lower()
    assert shown.count("data:image") == shown.count('class="output"') == 1
    assert secret.count("data:image") == 33
    ranked = copy(good, split="test_b", bac=[0.7123, 0.7345], bac_mean=0.7234, points=74)
    shown, secret = pages(ranked, data)
    assert not re.search(r"0\.7123|0\.7345|0\.7234|>74<|74 points", shown)
    assert ">OK</h1>" in shown
    assert "published with the final ranking" in shown
    assert "0.7234" in secret
    assert ">74 points</h1>" in secret


def test_what_was_printed_on_a_private_draw_stays_private(good, data, copy):
    """A cell that runs on a redraw could print its labels out: the participant sees neither output nor message."""
    run = copy(good, train="redraw-1", verdict="RuntimeError", message=f"ValueError: {CANARY}", bac=None, bac_mean=None)
    report = make_report(run, data, for_organizer=False)
    shown, secret = pages(run, data)
    assert report.output is None
    assert CANARY not in shown
    assert "call 12" not in shown
    assert "not public" in shown
    assert CANARY in secret
    assert "call 12" in secret


def test_our_own_errors_tell_a_participant_no_paths(data, tmp_path):
    """What went wrong on our side names folders: the organizer reads it, the participant that they need do nothing."""
    ours = stored(ALL_SAMPLES, tmp_path / CANARY, tmp_path / "runs")
    shown, secret = pages(ours, tmp_path / CANARY)
    assert CANARY not in shown
    assert "nothing for you to do" in shown
    assert CANARY in secret
    assert ">0<" not in shown
    assert "0 points" not in shown


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.OK])
def test_every_verdict_has_a_page_with_advice(broken, data, copy, verdict):
    """Whatever the verdict, both editions come out, with the verdict, its message escaped, and what to do."""
    run = copy(broken, verdict=verdict.value, message=f"{ATTACK} & more")
    shown, secret = pages(run, data)
    for page in (shown, secret):
        assert f">{verdict.value}</h1>" in page
        assert ATTACK not in page
    assert ADVICE[verdict] in shown
    if verdict is Verdict.INFRASTRUCTURE_ERROR:
        assert "grade the submission again" in secret
    else:
        assert "&amp; more" in shown


def test_a_training_that_ended_early_shows_its_whole_epochs(broken, data):
    """Of three answered batches the first two are an epoch: it is counted, the third is only mentioned."""
    report = make_report(broken, data, for_organizer=True)
    assert report.answered == 3
    assert report.kept.samples.shape == (1, 2, 2)
    assert report.kept.samples[0].sum(axis=1).tolist() == [4, 0]
    assert report.kept.picks[0].sum(axis=1).tolist() == [6, 0]
    assert report.truth.losses == ()
    assert report.gaps == ()
    assert "It ended after 3 answered batches." in report_page(report)


def test_a_file_that_is_no_notebook_has_a_report(data, tmp_path):
    """Without a solution cell, an executed notebook and a training, verdict and advice are the report."""
    report = make_report(stored(b"{}", data, tmp_path / "runs"), data, for_organizer=True)
    assert report.record.verdict is Verdict.PRESENTATION_ERROR
    assert (report.solution, report.output, report.kept, report.truth, report.gaps) == (None, None, None, None, ())
    assert "not a Jupyter notebook" in report_page(report)


PARTS = {
    "history.json": "The course of the training is missing.",
    "selections.npz": "What was selected is missing.",
    "losses.npz": "The losses are missing.",
    "executed.ipynb": None,
    "submission.ipynb": None,
    "model_1.safetensors": None,
}


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "other"])
@pytest.mark.parametrize("part", PARTS)
def test_a_missing_or_damaged_part_costs_only_itself(good, data, copy, part, damage):
    """Without a part, or with half of it or something else in its place, the rest is reported and the gap is named."""
    run = copy(good)
    path = run / part
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(
            {"empty": b"", "cut": content[: len(content) // 2], "other": b'[{"x": [1, "\\ud800"]}]'}[damage]
        )
    report = make_report(run, data, for_organizer=True)
    assert [gap.what for gap in report.gaps] == ([PARTS[part]] if PARTS[part] else [])
    assert "0." in report_page(report)
    assert (report.history == ()) == (part == "history.json")
    assert (report.kept is None) == (part == "selections.npz")
    assert (report.solution is None) == (part == "submission.ipynb")
    assert (report.output is None) == (part == "executed.ipynb")


def test_without_the_data_the_rest_is_reported(good, data, tmp_path):
    """No data, other data, or its public part alone: what needs it is a gap, whose reason only the organizer reads."""
    for folder, missing in ((tmp_path / CANARY, "counted by class"), (data / "public", "needs the truth")):
        report = make_report(good, folder, for_organizer=True)
        assert [missing in gap.what for gap in report.gaps] == [True]
        assert report.truth is None
        assert len(report.history) == 6
    shown, secret = pages(good, tmp_path / CANARY)
    assert CANARY not in shown
    assert CANARY in secret
    assert make_report(good, data / "public", for_organizer=False).gaps == ()


def full_disk(path, content):
    """Fail as a write on a full disk does."""
    raise OSError(errno.ENOSPC, "No space left on device", str(path))


def test_the_command_writes_the_page(good, data, copy, tmp_path, monkeypatch):
    """`grader report` writes into the run folder or to -o, says what is missing, and knows no run by exit 3."""
    run = copy(good)
    result = CliRunner().invoke(app, ["report", str(run), "--data", str(data)])
    assert result.exit_code == 0, result.output
    page = (run / "report" / "participant.html").read_text()
    assert page == report_page(make_report(run, data, for_organizer=False))
    out = tmp_path / "sub" / "page.html"
    options = ["--edition", "organizer", "--data", str(tmp_path / "nowhere"), "-o", str(out)]
    result = CliRunner().invoke(app, ["report", str(run), *options])
    assert result.exit_code == 0
    assert "cannot be counted by class" in result.output
    assert "Organizer’s edition" in out.read_text()
    assert CliRunner().invoke(app, ["report", str(tmp_path), "--data", str(data)]).exit_code == 3
    (tmp_path / "file").write_text("")
    options = ["--data", str(data), "-o", str(tmp_path / "file" / "x.html")]
    result = CliRunner().invoke(app, ["report", str(run), *options], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert "is no folder" in result.output
    monkeypatch.setattr("grader.pages.cli.write_whole", full_disk)
    result = CliRunner().invoke(app, ["report", str(run), "--data", str(data)])
    assert result.exit_code == 3
    assert "could not be written" in result.output


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (PHONE, "dark"),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in ((PHONE, "light"), (DESKTOP, "light"), (DESKTOP, "dark"))
        ),
    ],
)
def test_every_report_opens_in_peace_and_fits(visitor, good, broken, data, width, scheme):
    """No console message, no request, nothing wider than the window, in both editions of a good and of a bad run."""
    for run in (good, broken):
        for text in pages(run, data):
            page = visitor.open(text, width=width, scheme=scheme)
            for details in page.locator("summary").all():
                details.click()
            assert overflow(page) <= 0
            assert (brightness(page) > 128) == (scheme == "light")


def test_hostile_output_and_source_stay_text(visitor, good, data):
    """Markup that was printed, displayed, commented or written is shown as letters; only the plot is an image."""
    page = visitor.open(report_page(make_report(good, data, for_organizer=False)))
    printed = page.locator("pre").first.inner_text()
    assert printed.startswith(plain_text(PRINTED))
    assert "100%" in printed  # of a progress bar, its last state
    assert " 0%" not in printed
    assert page.locator("pre.code").inner_text().startswith(SOLUTION_MARKER)
    assert ATTACK in page.locator("pre.code").inner_text()
    assert "locked cell [model] was changed" in page.locator(".notices").inner_text()
    assert page.title().startswith("Report: ")
    assert page.locator("script, iframe, object, embed, link[rel=stylesheet]").count() == 0
    [image] = page.locator("main img").all()
    assert image.evaluate("image => image.complete && image.naturalWidth > 0")
    body = page.locator("main").inner_text()
    assert "neither text nor a PNG or JPEG image" in body
    assert "<IPython.core.display.HTML object>" in body
    assert "call 12" in body


def test_losses_that_are_not_numbers_are_counted_as_the_largest():
    """Infinite and undefined values stand in the last bin, so that the shares of each group add up."""
    values = np.array([0.1, 0.2, np.nan, np.inf, 5.0])
    found = histogram(values, np.array([False, True, False, True, True]), np.array([0.0, 0.5, 1.0]))
    assert found.clean.tolist() == [0.5, 0.5]
    assert found.flipped.tolist() == pytest.approx([1 / 3, 2 / 3])


def test_one_command_reports_many_runs(good, data, copy, tmp_path):
    """Several runs are reported in one call; a folder that is none, as runs/* may name, stops none; -o takes one."""
    first = copy(good)
    second = first.rename(first.with_name("another"))
    first = copy(good)
    runs = [str(first), str(tmp_path), str(second)]
    result = CliRunner().invoke(app, ["report", *runs, "--data", str(data)])
    assert result.exit_code == 0
    assert f"left out, as they are no run folders: {tmp_path}" in result.output
    for none in ([str(tmp_path)], [str(tmp_path), str(tmp_path.parent)]):
        result = CliRunner().invoke(app, ["report", *none, "--data", str(data)])
        assert result.exit_code == 3
        assert f"{tmp_path} is not a run folder" in result.output
    assert all((run / "report" / "participant.html").is_file() for run in (first, second))
    assert CliRunner().invoke(app, ["report", *runs, "-o", str(tmp_path / "x.html")]).exit_code == 2


def test_points_are_the_headline_of_who_has_some(good, broken, data, copy):
    """A valid submission's report begins with its points and says the verdict small; one point is one point."""
    points = read_record(good).points
    shown, secret = pages(good, data)
    for page in (shown, secret):
        assert f">{points} points</h1>" in page
        assert '<span class="verdict good">OK</span>' in page
    shown, _ = pages(copy(good, points=1), data)
    assert ">1 point</h1>" in shown
    shown, _ = pages(broken, data)
    assert ">RuntimeError</h1>" in shown
    assert '<dt>points</dt><dd class="grand">0</dd>' in shown
    assert '<span class="verdict' not in shown


def test_recall_stands_at_the_top_and_by_epoch(visitor, good, data):
    """The small table has the last epoch of both models, the table of figures every epoch, as the history has them."""
    report = make_report(good, data, for_organizer=False)
    page = visitor.open(report_page(report))
    small, figures = page.locator("table.small").first, page.locator("details table")
    expected = [
        [f"model {model + 1}", *(f"{value:.4f}" for value in (*epoch.val_recall[model], epoch.val_bac[model]))]
        for epoch in report.history
        for model in (0, 1)
    ]
    assert [row.locator("th, td").all_text_contents() for row in small.locator("tbody tr").all()] == expected[-2:]
    rows = [row.locator("th, td").all_text_contents() for row in figures.locator("tbody tr").all()]
    assert [[f"model {row[1]}", row[3], row[4], row[2]] for row in rows] == expected
    place = page.evaluate("document.querySelector('table.small').getBoundingClientRect().top")
    assert place < page.locator(".plot").first.bounding_box()["y"]


def test_samples_are_counted_once_or_with_repeats_and_say_so(good, data):
    """Every count and share names how it counts, in the plots, in the table and in the organizer's edition."""
    shown, secret = pages(good, data)
    assert shown.count("different samples, of ") == 2
    assert '<th scope="colgroup" colspan="2">different samples</th>' in shown
    assert '<th scope="colgroup" colspan="2">with repeats counted</th>' in shown
    for caption in ("what was selected, with repeats counted", "that were selected, different samples"):
        assert caption in secret
    report = make_report(good, data, for_organizer=False)
    cells = "".join(f"<td>{n}</td>" for n in (*report.kept.samples[-1, 0].tolist(), *report.kept.picks[-1, 0].tolist()))
    assert cells in shown


def test_hints_are_those_of_the_notebook(good, data):
    """What to try next is what the notebook's last cell says of the same training."""
    report = make_report(good, data, for_organizer=False)
    assert list(report.hints) == symptoms(report.history, report.kept.available.tolist())
    assert report.hints
    assert all(str(escape(hint)) in report_page(report) for hint in report.hints)
    assert "What to try next" not in report_page(replace(report, hints=()))


def test_the_validation_plot_names_no_points_and_full_points(visitor, good, data):
    """Besides both models there are two level lines, at a BAC of 0.5 and of 0.8, and the legend says what they mean."""
    page = visitor.open(report_page(make_report(good, data, for_organizer=False)))
    panel = page.locator(".panel").first
    assert panel.locator(".key").all_inner_texts() == ["model 1", "model 2", "100 points", "0 points, by chance"]
    chance, full = (panel.locator(f"polyline.{look}").bounding_box()["y"] for look in ("chance", "full"))
    ticks = {tick.text_content(): tick.bounding_box() for tick in panel.locator("svg text").all()}
    middle = {name: box["y"] + box["height"] / 2 for name, box in ticks.items()}
    assert full == pytest.approx(middle["0.8"], abs=3)
    assert chance == pytest.approx((middle["0.4"] + middle["0.6"]) / 2, abs=3)
