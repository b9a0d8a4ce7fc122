"""Who is inside, and how long: cookies, links that are tried, tokens."""

import re
from datetime import timedelta

from tests.site import notebook, serve

__all__ = ["serve"]  # a fixture


def test_a_cookie_is_for_the_server_alone(serve):
    """Scripts cannot read it, other sites do not send it, and with a certificate only this host over TLS gets it."""
    serving = serve()
    with serving.store() as store:
        [secret] = store.invite(["Ann"], serving.clock()).values()
    cookie = serving.client().enter(secret).headers["set-cookie"]
    assert re.fullmatch(r"session=\S{22}; HttpOnly; Max-Age=\d+; Path=/; SameSite=lax", cookie)
    object.__setattr__(serving.site, "address", "https://contest.example.org")
    entered = serving.client().ask("POST", "/enter", f"secret={secret}", Host="contest.example.org")
    assert re.fullmatch(
        r"__Host-session=\S{22}; HttpOnly; Max-Age=\d+; Path=/; SameSite=lax; Secure", entered.headers["set-cookie"]
    )


def test_a_session_ends(serve):
    """By leaving, with the link, with the participant, and after its days; nobody else's ends with it."""
    serving = serve()
    ann, bob, cleo, dora = (serving.member(name) for name in ("Ann", "Bob", "Cleo", "Dora"))
    assert ann.ask("POST", "/leave").status == 303
    with serving.store() as store:
        store.revoke("Bob", serving.clock())
    assert [each.get("/mine").status for each in (ann, bob, cleo, dora)] == [401, 401, 200, 200]
    serving.clock.ahead = timedelta(days=15)
    assert cleo.get("/mine").status == 401


def test_links_cannot_be_tried_for_long(serve):
    """After twenty wrong links, or tokens, an address has to wait, whatever it tries then."""
    serving = serve()
    with serving.store() as store:
        [secret] = store.invite(["Ann"], serving.clock()).values()
    stranger = serving.client()
    assert {stranger.enter(f"wrong{number}").status for number in range(20)} == {403}
    assert stranger.enter(secret).status == 429
    assert stranger.get("/mine", Authorization="Bearer wrong").status == 429


def test_a_token_is_its_owners_and_needs_no_cookie(serve):
    """A token shows its owner's page; a new one ends it; it counts alone, even beside somebody's cookie."""
    serving = serve()
    ann, bob = serving.member("Ann"), serving.member("Bob")
    tokens = [re.search(r"GRADER_TOKEN=(\S+)", ann.ask("POST", "/token").text)[1] for _ in range(2)]
    with_token = serving.client()
    assert with_token.get("/mine", Authorization=f"Bearer {tokens[0]}").status == 401
    assert "Ann" in bob.get("/mine", Authorization=f"Bearer {tokens[1]}").text
    assert "Ann" not in bob.get("/mine").text


def test_a_link_has_128_random_bits_and_so_has_a_receipt(serve):
    """Secrets and receipts are 22 characters of 64 kinds, and none comes twice."""
    serving = serve()
    with serving.store() as store:
        secrets = list(store.invite(map(str, range(50)), serving.clock()).values())
    ann = serving.member("Ann")
    secrets += [ann.hand_in(notebook(str(number))).headers["location"].rpartition("/")[2] for number in range(3)]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", secret) for secret in secrets)
    assert len(set(secrets)) == len(secrets)
