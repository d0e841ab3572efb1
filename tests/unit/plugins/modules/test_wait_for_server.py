# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wait that is over as soon as its outcome is known, against a real server on the loopback and a systemctl of the test."""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.modules import wait_for_server as module
from support import servers


@pytest.fixture
def server():
    class Handler(servers.Quiet):
        replies = [(200, b'{"version": "0.32.15"}')]
        asked = 0

        def do_GET(self):
            Handler.asked += 1
            status, body = self.replies[min(Handler.asked, len(self.replies)) - 1]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with servers.serving(Handler) as url:
        Handler.url = url + "/api/version"
        yield Handler


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """A unit of which the test tells what systemd says, look after look."""

    def says(*looks):
        for number, look in enumerate(looks):
            (tmp_path / str(number)).write_text(look)
        program = tmp_path / "systemctl"
        program.write_text(
            f'#!/bin/sh\n[ "$*" = "show --property NRestarts,ActiveState ollama.service" ] || exit 1\nn=$(cat {tmp_path}/n 2>/dev/null || echo 0)\n'
            f"[ ! -e {tmp_path}/$((n + 1)) ] || echo $((n + 1)) >{tmp_path}/n\ncat {tmp_path}/$n\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", "%s:/usr/bin:/bin" % tmp_path)

    return says


def wait(url, version="", seconds=60, unit="ollama.service"):
    slept = []
    waiting = module.Wait(url, version, seconds, unit, sleep=slept.append, clock=lambda: sum(slept))
    return waiting.run(), waiting, sum(slept)


def test_a_server_that_comes_up_is_waited_for(server):
    """Ollama answers a second or two after its start; the version is what proves that it is the new one."""
    server.replies = [(503, b"no"), (200, b'{"version": "0.31.0"}'), (200, b"not JSON"), (200, b"[]"), (200, b'{"version": "0.32.15"}')]
    why, waiting, seconds = wait(server.url, "0.32.15", unit="")
    assert (why, waiting.status, waiting.version, seconds) == (None, 200, "0.32.15", 4)


def test_any_answer_will_do_where_no_version_is_wanted(server):
    """/ready of Open WebUI names no version, and a server from before may have any."""
    server.replies = [(200, b'{"status": true}')]
    assert wait(server.url, unit="")[0] is None
    server.replies = [(200, b'{"version": "0.31.0"}')]
    assert wait(server.url, unit="")[1].version == "0.31.0"


@pytest.mark.parametrize(
    "reply, expected",
    [
        ((200, b'{"version": "0.31.0"}'), "answers with version 0.31.0 instead of 0.32.15"),
        ((200, b"<html>"), "answers with status 200 and names no version"),
        ((404, b""), "answers with status 404"),
    ],
)
def test_what_answers_instead_is_named(server, reply, expected):
    """The sentence is all that a person gets."""
    server.replies = [reply]
    why, _waiting, seconds = wait(server.url, "0.32.15", 3, "")
    assert expected in why and seconds == 3


def test_silence_is_told_with_its_cause_and_asked_once_without_patience():
    why, waiting, seconds = wait("http://127.0.0.1:9/", "1", 0, "")
    assert "did not answer within 0 s" in why and "refused" in why.lower() and (waiting.status, seconds) == (0, 0)


def test_a_crash_loop_is_told_at_once(systemctl):
    """systemd showed restart 14 after 50 seconds of waiting for a server that could not start."""
    systemctl(*["NRestarts=%d\nActiveState=activating\n" % (2 + look // 3) for look in range(60)])
    why, waiting, seconds = wait("http://127.0.0.1:9/", "1")
    assert waiting.ended == 3 and seconds == 9
    assert why == "ollama.service has ended 3 times within 9 s, so nothing answers at http://127.0.0.1:9/"


def test_a_unit_that_systemd_gave_up_is_told_at_once(systemctl):
    """The unit that fills the mirror is not started again: half a minute of waiting for it is lost."""
    systemctl("NRestarts=0\nActiveState=failed\n")
    why, _waiting, seconds = wait("http://127.0.0.1:9/")
    assert "ollama.service has failed and is not started again" in why and seconds == 0


@pytest.mark.parametrize("says", ["NRestarts=0\nActiveState=active\n", "ActiveState=active\n", ""])
def test_a_unit_that_runs_is_waited_for(systemctl, says):
    """Slow is not broken; and a systemd without the counter (before 235) says nothing of it."""
    systemctl(says)
    why, waiting, seconds = wait("http://127.0.0.1:9/", seconds=7)
    assert "did not answer within 7 s" in why and (waiting.ended, seconds) == (0, 7)
