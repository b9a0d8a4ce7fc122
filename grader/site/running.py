"""The web server around the application, with its bounds."""

from __future__ import annotations

import uvicorn

from grader.site.app import make_app
from grader.site.heads import TimedHeads
from grader.site.site import Site

PROXY = ["127.0.0.1", "::1"]  # whose word counts on where a request came from
AT_ONCE = 1000  # requests and open event streams
KEEP_ALIVE_SECONDS, SHUTDOWN_SECONDS = 5, 5
LONGEST_HEAD = 16 << 10  # bytes of a request's line and headers


def make_server(site: Site, *, proxied: bool) -> uvicorn.Server:
    """Make the server of a site; it runs when it is given an open socket.

    Args:
        site: the site.
        proxied: whether a proxy on this machine stands in front.
    """
    config = uvicorn.Config(
        make_app(site),
        log_level="warning",
        access_log=False,  # its lines would hold secret links
        server_header=False,
        limit_concurrency=AT_ONCE,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        h11_max_incomplete_event_size=LONGEST_HEAD,
        http=TimedHeads,
        ws="none",
        proxy_headers=proxied,
        forwarded_allow_ips=PROXY,
    )
    return uvicorn.Server(config)
