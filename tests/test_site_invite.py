"""`grader invite`: links are made, kept, renewed and ended; nothing of them is readable for others."""

import csv
import re
import stat
import subprocess
import sys

import pytest

from grader.contest.site_store import SiteStore, digest
from tests.conftest import REPOSITORY
from tests.contest import Contest, contest

__all__ = ["contest"]  # a fixture


@pytest.fixture
def invite(contest):
    """Run the command in a contest's folder; return what it printed, and the links by name."""
    file, out = contest.describe(), contest.folder / "links.csv"
    people = contest.folder / "people.csv"

    def run(*options, names=(), status=0, text=None):
        people.write_bytes(text if text is not None else "\n".join(["name", *names, ""]).encode())
        given = [people] if names or text is not None else []
        printed = Contest.call("invite", *given, "--contest", file, "--out", out, *options, status=status)
        if not out.exists():
            return printed, {}
        with open(out, newline="") as stream:
            return printed, {row["name"]: row["link"] for row in csv.DictReader(stream) if "link" in row}

    return run


def lives(contest, link):
    """Say whether a link is good."""
    with SiteStore(contest.store) as store:
        row = store._connection.execute(
            "SELECT revoked_at FROM members WHERE link_sha256 = ?", (digest(link.rpartition("/")[2]),)
        ).fetchone()
    return row is not None and row["revoked_at"] is None


def test_everybody_gets_a_link_once(invite, contest):
    """A second call keeps the links that there are, adds new people, and all of them stand in one file."""
    _, first = invite(names=["Ann", "Bob"])
    assert all(re.fullmatch(r"http://127\.0\.0\.1:8000/enter/\S{22}", link) for link in first.values())
    _, second = invite(names=["Bob", "Cleo", " ann "])
    assert {name: second[name] for name in first} == first
    assert set(second) == {"Ann", "Bob", "Cleo", "ann"}
    assert all(lives(contest, link) for link in second.values())
    printed, third = invite(names=["Bob"])
    assert "everybody has a link already" in printed
    assert third == second


def test_the_files_are_for_their_owner_alone(invite, contest):
    """Table and sheet are readable for who runs the command, also where a file was there; the sheet shows all."""
    _, links = invite(names=["Ann", "<b>Bob"])
    invite(names=["Cleo"])
    for name in ("links.csv", "links.html"):
        assert stat.S_IMODE((contest.folder / name).stat().st_mode) == 0o600
    sheet = (contest.folder / "links.html").read_text()
    assert sheet.count("<svg") == 3
    assert all(link in sheet for link in links.values())
    assert "<b>" not in sheet


def test_a_new_link_ends_the_old_one(invite, contest):
    """--again makes a new link, also after --revoke; --revoke ends one; a name that nobody has changes nothing."""
    _, first = invite(names=["Ann", "Bob"])
    _, second = invite("--again", "ann".upper().title())
    assert first["Ann"] != second["Ann"]
    assert (lives(contest, first["Ann"]), lives(contest, second["Ann"])) == (False, True)
    _, third = invite("--revoke", "Ann")
    assert set(third) == {"Bob"}
    assert not lives(contest, second["Ann"])
    printed, fourth = invite("--again", "Bob", "--again", "Nobody", status=2)
    assert "Nobody" in printed
    assert fourth == third
    assert lives(contest, first["Bob"])
    _, fifth = invite("--again", "Ann")
    assert lives(contest, fifth["Ann"])


def test_links_of_organizers_and_screens_are_printed(invite, contest):
    """Each call prints one more; all of a kind are ended at once."""
    printed, _ = invite("--organizer", "--screen", "--url", "https://contest.example.org")
    links = re.findall(r"(organizer|screen): (https://contest\.example\.org/enter/\S{22})", printed)
    assert [role for role, _ in links] == ["organizer", "screen"]
    assert all(lives(contest, link) for _, link in links)
    invite("--organizer", "--end-all")
    assert [lives(contest, link) for _, link in links] == [False, True]


def test_names_are_read_with_care(invite):
    """A table without the column is refused; a row without a name is left aside; names that look alike are named."""
    printed, links = invite(text=b"who\nAnn\n", status=2)
    assert "no column name" in printed
    assert links == {}
    printed, links = invite(text=b'id;name\n1;Ann\n2;\n3;B\xffd\n4;"=1+1"\n5;\xd0\x90nn\n', status=2)
    assert "left aside" in printed
    assert "look alike" in printed
    assert set(links) == {"Ann", "'=1+1", "\u0410nn"}


def test_another_file_is_not_written_over(invite, contest):
    """What stands at --out and is no table of links stays as it is, and nobody's link changes."""
    (contest.folder / "links.csv").write_text("my,notes\n1,2\n")
    printed, _ = invite(names=["Ann"], status=2)
    assert "no table of links" in printed
    assert (contest.folder / "links.csv").read_text() == "my,notes\n1,2\n"


def test_others_reach_the_site_with_a_certificate_only(contest):
    """Another host than this machine needs an address, and one that others reach needs https."""
    file = contest.describe()
    assert "say its address" in Contest.call("serve", "--contest", file, "--host", "0.0.0.0", status=2)
    assert "no certificate" in Contest.call("serve", "--contest", file, "--url", "http://contest.org", status=2)
    assert "no contest.toml" in Contest.call("serve", "--contest", "", status=2)


def test_without_the_extra_the_other_commands_work(contest):
    """Where the site's packages are not installed, its commands say what to install, and nothing else misses them."""
    file = contest.describe()
    hidden = "import sys; sys.modules |= dict.fromkeys(('starlette', 'uvicorn', 'python_multipart', 'segno'))"
    program = f"{hidden}; from grader.cli import app; app(prog_name='grader')"

    def run(*arguments):
        command = [sys.executable, "-c", program, *arguments]
        ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout + ended.stderr

    assert run("--help")[0] == 0
    for command in ("serve", "invite"):
        status, printed = run(command, "--contest", str(file), *(["--screen"] if command == "invite" else []))
        assert status == 3
        assert "[site]" in printed
    assert not contest.store.exists()
