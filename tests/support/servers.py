# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP servers on the loopback that live as long as a `with` block."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator


class Quiet(http.server.BaseHTTPRequestHandler):
    """A handler that logs nothing into the output of the tests."""

    def log_message(self, *_arguments):
        """Nothing."""


@contextlib.contextmanager
def serving(handler) -> Iterator[str]:
    """http://127.0.0.1:PORT, answered by this handler, each request in a thread of its own; a request that hangs does not keep the block open."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    # The end of the block waits for the next look at it.
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield "http://127.0.0.1:%d" % server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
