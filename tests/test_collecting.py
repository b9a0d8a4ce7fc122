"""`grader collect`: from the downloads of learning platforms to notebooks and a table that `grader batch` reads."""

import csv
import io
import os
import stat
import struct
import zipfile
from datetime import UTC, datetime

import pytest

from competition.notebook import graft, notebook_text
from grader.contest import collecting, downloads
from grader.contest.layouts import owners, read_timestamp
from tests.conftest import ALL_SAMPLES
from tests.contest import contest, scripted

__all__ = ["contest", "scripted"]  # fixtures

DAY = (2026, 3, 1, 18, 30, 0)


def notebook(name):
    """Return a notebook whose solution cell begins with this name."""
    return notebook_text(graft(f"# {name}\n{ALL_SAMPLES}")).encode()


def pack(path, members):
    """Write a zip of names, or of ZipInfos, with what they hold."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members.items():
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name, DAY)
            archive.writestr(info, raw)
    return path


def unpack(path, members):
    """Write the same as folders."""
    for name, raw in members.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(raw)
        seconds = datetime(*DAY, tzinfo=UTC).timestamp()
        os.utime(file, (seconds, seconds))
    return path


def rows(folder):
    """Return the rows of the table that was written."""
    with open(folder / "submissions.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


LAYOUTS = {
    "Moodle": (
        {
            "Zoë Roe_1234567_assignsubmission_file_/nb.ipynb": "zoe",
            "Ann Lee_1234568_assignsubmission_file_/deep/my nb.ipynb": "ann",
            "Bob_1234569_assignsubmission_file_nb.ipynb": "bob",
        },
        {"Zoë Roe", "Ann Lee", "Bob"},
    ),
    "Canvas": (
        {"roezoe_LATE_1234_5678_nb-1.ipynb": "zoe", "leeann_1235_5679_nb.ipynb": "ann"},
        {"roezoe", "leeann"},
    ),
    "nbgrader": (
        {
            "submitted/zoe/noise/nb.ipynb": "zoe",
            "submitted/zoe/noise/timestamp.txt": None,
            "submitted/ann/noise/nb.ipynb": "ann",
        },
        {"zoe", "ann"},
    ),
    "Classroom": (
        {"Noisy labels/Zoë Roe - nb.ipynb": "zoe", "Noisy labels/Ann Lee - Copy of nb.ipynb": "ann"},
        {"Zoë Roe", "Ann Lee"},
    ),
    "folders": ({"zoe/nb.ipynb": "zoe", "ann/first try/nb.ipynb": "ann"}, {"zoe", "ann"}),
}


@pytest.mark.parametrize("packed", [True, False], ids=["zipped", "unpacked"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_platforms_download_is_collected_and_graded(contest, scripted, layout, packed):
    """Names and times come from the layout; `batch` grades what `collect` wrote, under the participants' own names."""
    files, names = LAYOUTS[layout]
    members = {name: notebook(whose) if whose else b"2026-02-01 10:30:47.524219 UTC\n" for name, whose in files.items()}
    source = (pack if packed else unpack)(contest.folder / ("all.zip" if packed else "all"), members)
    out = contest.folder / "collected"
    printed = contest.call("collect", source, "-o", out)
    assert f"collected {len(names)} notebooks of {len(names)} participants" in printed
    found = {row["participant"]: row for row in rows(out)}
    assert found.keys() == names
    stamped = {"zoe"} if layout == "nbgrader" else set()
    assert {row["submitted_at"] for name, row in found.items() if name not in stamped} == {"2026-03-01T18:30:00+00:00"}
    assert all(found[name]["submitted_at"] == "2026-02-01T10:30:47+00:00" for name in stamped)
    assert [row["late"] for row in found.values() if row["late"] != "0"] == (["1"] if layout == "Canvas" else [])
    workers = scripted()
    contest.run("batch", out / "submissions.csv")
    assert {name for name, _ in contest.gradings()} == names
    assert {name for name, _ in workers.calls} <= {"zoe", "ann", "bob"}
    assert printed.count(layout) >= len(names)


def test_attempts_are_kept_in_their_order_and_the_same_file_once(contest):
    """Canvas's -1 and -2 follow the first attempt; two downloads of one notebook give one submission."""
    first = {f"roezoe_12_{n}_nb{'-' * bool(n)}{n or ''}.ipynb": notebook(f"try {n}") for n in (2, 0, 1)}
    out = contest.folder / "collected"
    sources = [pack(contest.folder / name, first) for name in ("one.zip", "two.zip")]
    printed = contest.call("collect", *sources, "-o", out)
    assert [notebook(f"try {n}") for n in (0, 1, 2)] == [(out / row["path"]).read_bytes() for row in rows(out)]
    assert "left out 3 that were there twice" in printed


def test_two_people_of_one_name_stay_two(contest):
    """The platform's number tells them apart, in the table and in the folders."""
    members = {f"Ann Lee_{n}_assignsubmission_file_/nb.ipynb": notebook(f"{n}") for n in (1, 2)}
    out = contest.folder / "collected"
    contest.call("collect", pack(contest.folder / "all.zip", members), "-o", out)
    assert [row["participant"] for row in rows(out)] == ["Ann Lee 1", "Ann Lee 2"]
    assert {path.name for path in out.iterdir()} == {"Ann Lee 1", "Ann Lee 2", "submissions.csv"}


def test_the_folder_around_a_zip_is_nobodys():
    """A zip of a folder has that folder around everybody's; unpacked, the first folder is the participant's."""
    paths = [("all", "ann", "nb.ipynb"), ("all", "bob", "try", "nb.ipynb")]
    assert [owner.name for owner in owners(paths, set(), packed=True)] == ["ann", "bob"]
    assert [owner.name for owner in owners(paths, set(), packed=False)] == ["all", "all"]
    alone = [("ann", "try 1", "nb.ipynb")]
    assert [owner.name for owner in owners(alone, set(), packed=True)] == ["ann"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-30 10:30:47.524219 UTC", "2026-01-30T10:30:47.524219+00:00"),
        ("2026-01-30 10:30:47 +0100", "2026-01-30T10:30:47+01:00"),
        ("0001-01-01 00:00:00 UTC", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_nbgraders_timestamp_is_read_or_left(text, expected):
    """What is no time of our days is none, and the file's own time counts."""
    time = read_timestamp(text)
    assert (time and time.isoformat()) == expected


def link(name):
    """Make the entry of a symbolic link."""
    info = zipfile.ZipInfo(name, DAY)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_a_hostile_zip_writes_nothing_outside_and_stops_nobody(contest):
    """Paths that lead out, links, zips in it and files that are too large are named; the good one is collected."""
    members = {
        "../../evil.ipynb": notebook("evil"),
        "/etc/evil.ipynb": notebook("evil"),
        "a/..\\..\\evil.ipynb": notebook("evil"),
        link("bob/nb.ipynb"): b"/etc/passwd",
        "cid/all.zip": b"PK",
        "dan/nb.ipynb": bytes(downloads.MAX_NOTEBOOK_BYTES + 1),
        "eve/\x1b[2J\u202e.ipynb": notebook("eve"),
        "ann/nb.ipynb": notebook("ann"),
        "ann/notes.txt": b"hello",
        "__MACOSX/ann/._nb.ipynb": b"",
    }
    source = pack(contest.folder / "all.zip", members)
    before = set(contest.folder.rglob("*"))
    out = contest.folder / "collected"
    printed = contest.call("collect", source, "-o", out, status=2)
    assert {row["participant"] for row in rows(out)} == {"ann", "eve"}
    new = set(contest.folder.rglob("*")) - before
    assert all(path == out or out in path.parents for path in new)
    assert printed.count("its path leads out of the zip") == 3
    for words in ("it is a link", "a zip in a zip is not opened", "are allowed: ask for one without outputs"):
        assert printed.count(words) == 1
    assert "ann/notes.txt: it is no notebook" in printed
    assert not {"\x1b", "\u202e"} & set(printed)


def broken(raw):
    """Change the bytes of the one file in a zip, so that its checksum does not fit."""
    return raw.replace(b"participant's own text", b"participant's new text")


def lying(raw):
    """Make a zip's file claim to hold five bytes: where its size stands in both of its heads."""
    size = struct.pack("<I", len(b"0" * 40_000_000))
    return raw.replace(size, struct.pack("<I", 5))


@pytest.mark.parametrize("case", ["no zip", "cut short", "a wrong checksum", "encrypted", "a lie about its size"])
def test_a_damaged_zip_is_named_and_the_other_is_collected(contest, case):
    """Whatever is wrong with one download, the next one is collected, and exit status 2 says that something is left."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("bob/nb.ipynb", b"a participant's own text")
    raw = stream.getvalue()
    if case == "no zip":
        raw = b"<html>please log in</html>"
    elif case == "cut short":
        raw = raw[: len(raw) // 2]
    elif case == "a wrong checksum":
        raw = broken(raw)
    elif case == "encrypted":
        central = raw.index(b"PK\x01\x02")
        raw = raw[: central + 8] + b"\x01" + raw[central + 9 :]
    else:
        with zipfile.ZipFile(contest.folder / "bad.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bob/nb.ipynb", b"0" * 40_000_000)
        raw = lying((contest.folder / "bad.zip").read_bytes())
    bad = contest.folder / "bad.zip"
    bad.write_bytes(raw)
    good = pack(contest.folder / "good.zip", {"ann/nb.ipynb": notebook("ann"), "cid/nb.ipynb": notebook("cid")})
    out = contest.folder / "collected"
    printed = contest.call("collect", bad, good, "-o", out, status=2)
    assert [row["participant"] for row in rows(out)] == ["ann", "cid"]
    [line] = [line for line in printed.splitlines() if line.startswith("left aside: ")]
    words = {
        "encrypted": "it is encrypted",
        "no zip": "no zip that can be read",
        "cut short": "no zip that can be read",
    }
    assert words.get(case, "it is damaged") in line


def test_counts_and_sizes_are_bounded_together(contest, monkeypatch):
    """More files or bytes than one collection may hold are named, not taken."""
    members = {f"p{n}/nb.ipynb": notebook(f"{n}") for n in range(4)}
    source = pack(contest.folder / "all.zip", members)
    monkeypatch.setattr(collecting, "MAX_NOTEBOOKS", 2)
    printed = contest.call("collect", source, "-o", contest.folder / "a", status=2)
    assert (len(rows(contest.folder / "a")), printed.count("it is too much for one folder")) == (2, 2)
    monkeypatch.setattr(collecting, "MAX_TOGETHER", 100)
    contest.call("collect", source, "-o", contest.folder / "b", status=2)
    assert len(rows(contest.folder / "b")) == 1
    monkeypatch.setattr(downloads, "MAX_MEMBERS", 3)
    printed = contest.call("collect", source, "-o", contest.folder / "c", status=2)
    assert "it holds 4 files, 3 are allowed" in printed


def test_nothing_is_overwritten(contest):
    """A folder with anything in it is refused, and stays as it is."""
    source = pack(contest.folder / "all.zip", {"ann/nb.ipynb": notebook("ann")})
    kept = contest.submissions / "precious.ipynb"
    kept.write_text("mine")
    printed = " ".join(contest.call("collect", source, "-o", contest.submissions, status=2).replace("│", " ").split())
    assert "is not empty, and nothing is overwritten" in printed
    assert [path.read_text() for path in contest.submissions.iterdir()] == ["mine"]


def test_the_time_in_utc_counts_where_a_zip_has_it(contest):
    """Zips of today keep the time in UTC beside that of a clock on a wall."""
    info = zipfile.ZipInfo("ann/nb.ipynb", DAY)
    info.extra = struct.pack("<HHBI", 0x5455, 5, 1, 1_772_355_600)
    out = contest.folder / "collected"
    contest.call("collect", pack(contest.folder / "all.zip", {info: notebook("ann")}), "-o", out)
    assert [row["submitted_at"] for row in rows(out)] == ["2026-03-01T09:00:00+00:00"]


def test_a_participant_may_have_any_name(contest, scripted):
    """A formula, an escape sequence or a path as a name is text in the table, on the terminal and as a folder."""
    names = ["=HYPERLINK(1)", "..", "\x1b]0;title\x07eve", "CON", "x" * 300]
    members = {f"{name}_{n}_assignsubmission_file_/nb.ipynb": notebook(f"{n}") for n, name in enumerate(names)}
    out = contest.folder / "collected"
    printed = contest.call("collect", pack(contest.folder / "all.zip", members), "-o", out)
    assert not {"\x1b", "\x07"} & set(printed)
    assert [row["participant"][:14] for row in rows(out)].count("'=HYPERLINK(1)") == 1
    assert all((out / row["path"]).resolve().parent.parent == out.resolve() for row in rows(out))
    scripted()
    contest.run("batch", out / "submissions.csv")
    assert len(contest.gradings()) == len(names)


def zipped(members):
    """Return a zip as bytes."""
    stream = io.BytesIO()
    pack(stream, members)
    return stream.getvalue()


CODABENCH = {
    "12_ann_PhaseId3_2026-03-01_30-15_submission.zip": {"notebook.ipynb": notebook("ann")},
    "13_zoe_lee_PhaseId3_2026-03-01_31-00_submission.zip": {
        "deep/nb.ipynb": notebook("zoe"),
        "__MACOSX/deep/._nb.ipynb": b"left behind",
    },
    "15_ann_PhaseId3_2026-03-02_01-02_submission.zip": {"notebook.ipynb": notebook("ann again")},
}
CODABENCH_LIST = (
    "created_when,id,name,owner,scores.0.score\n"
    "2026-03-01T17:30:15.25Z,12,submission.zip,ann,0.7\n"
    "2026-03-01T18:31:00+01:00,13,submission.zip,zoe_lee,0.8\n"
    "2026-03-02T09:01:02Z,15,submission.zip,ann,0.9\n"
)


def test_codabenchs_submissions_are_collected(tmp_path, contest):
    """The zip of many zips and the list of the site give notebooks with participants and times, oldest first."""
    bulk = pack(tmp_path / "bulk_submissions.zip", {name: zipped(inner) for name, inner in CODABENCH.items()})
    listing = tmp_path / "list.csv"
    listing.write_text(CODABENCH_LIST)
    said = contest.call("import", "codabench", bulk, listing, "--out", tmp_path / "out")
    assert "collected 3 notebooks of 2 participants" in said
    found = [(row["participant"], row["submitted_at"]) for row in rows(tmp_path / "out")]
    assert found == [
        ("ann", "2026-03-01T17:30:15+00:00"),
        ("ann", "2026-03-02T09:01:02+00:00"),
        ("zoe_lee", "2026-03-01T17:31:00+00:00"),
    ]
    assert (tmp_path / "out" / "ann" / "002.ipynb").read_bytes() == notebook("ann again")


def test_one_of_codabenchs_zips_is_enough(tmp_path, contest):
    """A single submission's zip, with the name that Codabench gave it, says whose it is; so does it unpacked."""
    name, inner = next(iter(CODABENCH.items()))
    listing = tmp_path / "list.csv"
    listing.write_text(CODABENCH_LIST)
    contest.call("import", "codabench", pack(tmp_path / name, inner), listing, "--out", tmp_path / "out")
    unpack(tmp_path / "unpacked" / name.removesuffix(".zip"), inner)
    contest.call("import", "codabench", tmp_path / "unpacked", listing, "--out", tmp_path / "again")
    assert rows(tmp_path / "out") == rows(tmp_path / "again")
    assert rows(tmp_path / "out")[0]["participant"] == "ann"


def test_without_the_list_nobody_knows_when_it_came(tmp_path, contest):
    """Codabench's names lack the hour, and a zip's own time is the participant's word: it is left aside and named."""
    bulk = pack(tmp_path / "bulk.zip", {name: zipped(inner) for name, inner in CODABENCH.items()})
    said = contest.call("import", "codabench", bulk, "--out", tmp_path / "out", status=2)
    assert said.count("no list says when it came: name the CSV of api/submissions/") == 3
    assert rows(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "it is no zip that can be read"),
        (b"PK\x03\x04 cut off", "it is no zip that can be read"),
        (zipped({"readme.txt": b"x"}), "it holds no notebooks, and one is expected"),
        (zipped({"a.ipynb": b"x", "b.ipynb": b"x"}), "it holds 2 notebooks, and one is expected"),
        (zipped({"../nb.ipynb": b"x"}), "its path leads out of the zip"),
        (zipped({"nb.ipynb": b" " * ((16 << 20) + 1)}), "16,777,217 bytes"),
    ],
)
def test_a_bad_submission_in_the_zip_is_named(tmp_path, contest, raw, reason):
    """What is no zip with one notebook is left aside with its reason, and the others are collected."""
    good = {name: zipped(inner) for name, inner in CODABENCH.items()}
    bulk = pack(tmp_path / "bulk.zip", good | {"16_bad_PhaseId3_2026-03-02_01-02_submission.zip": raw})
    listing = tmp_path / "list.csv"
    listing.write_text(CODABENCH_LIST)
    said = contest.call("import", "codabench", bulk, listing, "--out", tmp_path / "out", status=2)
    assert reason in said
    assert len(rows(tmp_path / "out")) == 3


def test_kaggles_notebooks_are_collected(tmp_path, contest):
    """Pulled folders say whose a notebook is, the list of Kaggle's client when it ran last."""
    for owner, folder in (("zoe-lee", "first"), ("ann", "second"), ("bob", "third")):
        unpack(
            tmp_path / "pulled" / folder,
            {"nb.ipynb": notebook(owner), "kernel-metadata.json": f'{{"id": "{owner}/my-nb"}}'.encode()},
        )
    listing = tmp_path / "kernels.csv"
    listing.write_text(
        "ref,title,author,lastRunTime,totalVotes\n"
        "ann/my-nb,My NB,Ann,2026-03-01 17:30:15.123000,0\n"
        "zoe-lee/my-nb,My NB,Zoe,2026-03-01 17:31:00,2\n"
    )
    said = contest.call("import", "kaggle", tmp_path / "pulled", listing, "--out", tmp_path / "out", status=2)
    assert [(row["participant"], row["submitted_at"]) for row in rows(tmp_path / "out")] == [
        ("ann", "2026-03-01T17:30:15+00:00"),
        ("zoe-lee", "2026-03-01T17:31:00+00:00"),
    ]
    assert "third/nb.ipynb" in said
    assert "no list says when it came: name the CSV of 'kaggle kernels list" in said


def test_a_list_of_something_else_is_refused(tmp_path, contest):
    """A CSV without the columns of a platform's list is a usage error that names them."""
    listing = tmp_path / "list.csv"
    listing.write_text("a,b\n1,2\n")
    said = contest.call("import", "codabench", listing, "--out", tmp_path / "out", status=2)
    assert "is no list of submissions: expected the columns id and owner and created_when, or" in said
