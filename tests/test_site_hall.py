"""What everybody looks at together: news on every page, the board in a hall."""

from datetime import timedelta

from tests.browser import chromium
from tests.site import notebook, serve
from tests.test_site_desk import SOON, grading, press

__all__ = ["chromium", "serve"]  # fixtures


def test_announcements_stand_on_every_page_and_are_text(serve):
    """What organizers say is on every page of every role, the newest first; markup in it is shown, not obeyed."""
    site = serve(**SOON)
    olga = site.role("organizer")
    press(olga, "announce", message="<b>soup</b> at seven")
    press(olga, "announce", message="and tea")
    clients = [site.client(), site.member("ann"), olga, site.role("screen")]
    assert "soup" in clients[1].get("/mine").text
    for client in clients:
        for place in ("/", "/board"):
            text = client.get(place).text
            assert "&lt;b&gt;soup&lt;/b&gt; at seven" in text
            assert text.index("and tea") < text.index("soup")
    assert "and tea" in clients[3].get("/hall").text
    for number in range(6):
        press(olga, "announce", message=f"more {number}")
    assert "soup" not in clients[0].get("/board").text
    assert "soup" in clients[0].get("/news").text


def test_the_hall_shows_ten_rows_at_a_time_and_turns_by_itself(serve):
    """Each page names the next one in its refresh, the last the first; what is no page is the first."""
    site = serve()
    for number in range(12):
        site.member(f"p{number:02}").hand_in(notebook(str(number)))
    desk, store = grading(site)
    with store:
        desk._show_board()
    screen = site.role("screen")
    first, second = screen.get("/hall").text, screen.get("/hall?from=10").text
    assert sum(f"p{number:02}" in first for number in range(12)) == 10
    assert sum(f"p{number:02}" in second for number in range(12)) == 2
    assert "url=/hall?from=10" in first
    assert "url=/hall?from=0" in second
    for wrong in ("-1", "x", "999", "9" * 30):
        assert screen.get(f"/hall?from={wrong}").text.count('<th scope="row">') == 10


def test_members_boards_are_for_members(serve):
    """Where the board is for members only, so are the hall's and the final."""
    site = serve(site={"board": "members"})
    for place in ("/board", "/hall", "/final"):
        assert site.client().get(place).status == 401
    assert site.role("screen").get("/hall").status == 200


def test_an_open_page_gets_the_news(serve, chromium):
    """An extension and a message come to a page that stays open, its form untouched; markup in them is text."""
    site = serve(**SOON)
    site.member("ann")
    with site.store() as store:
        store.revoke("ann", site.clock())
        [secret] = store.invite(["ann"], site.clock()).values()
    context = chromium.new_context()
    page = context.new_page()
    page.clock.install()
    page.goto(f"{site.site.address}/enter/{secret}")
    page.get_by_role("button").click()
    page.wait_for_url("**/mine")
    page.set_input_files("#notebook", {"name": "a.ipynb", "mimeType": "application/json", "buffer": notebook()})
    olga = site.role("organizer")
    press(olga, "extend", minutes="30", reason="<b>network</b>")
    page.clock.fast_forward(31000)
    page.get_by_text("<b>network</b>").wait_for()
    closing = SOON["rules"]["closing"] + timedelta(minutes=30)
    assert f"{closing:%H:%M:%S} UTC" in page.inner_text("#dates")
    assert page.evaluate("document.getElementById('notebook').files.length") == 1
    context.close()
