# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the web UI's host sees around itself. Without these tests the check for a port in use could see nothing, or a proxy for the way out could
make every Ollama server look dead."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui import host
from support import needs, servers


@pytest.fixture
def ollama():
    class Handler(servers.Quiet):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"version": "0.32.15"}' if self.path == "/api/version" else b"[]")

    with servers.serving(Handler) as url:
        yield int(url.rpartition(":")[2])


@needs.linux
@pytest.mark.parametrize("family, address", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_listener_is_seen_and_named(family, address):
    with socket.socket(family) as taken:
        try:
            taken.bind((address, 0))
        except OSError:
            pytest.skip("not to be had here: IPv6")
        port = taken.getsockname()[1]
        assert host.listener(port) is None, "bound is not yet listening"
        taken.listen()
        with open("/proc/self/comm", encoding="utf-8") as name:
            assert host.listener(port) == name.read().strip()
    assert host.listener(port) is None


def test_a_proxy_for_the_way_out_is_not_asked(ollama, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert host.ask_version(f"http://127.0.0.1:{ollama}", 2)["version"] == "0.32.15"


def test_dead_and_strange_servers_have_a_reason_and_keep_their_place(ollama):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}"
        answers = host.ask_versions([dead, f"http://127.0.0.1:{ollama}", f"http://127.0.0.1:{ollama}/other"], 2)
    assert [answer["version"] for answer in answers] == [None, "0.32.15", None]
    assert "refused" in answers[0]["error"] and answers[2]["error"]


def test_a_database_that_is_not_there_has_a_reason(ollama):
    assert host.unreachable("127.0.0.1", ollama, 2) is None
    assert host.unreachable("host.docker.internal", ollama, 2) is None, "the engine's name for this host means nothing on the host"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert "refused" in host.unreachable("127.0.0.1", free.getsockname()[1], 2)


def test_programs_of_commands_are_looked_for_behind_assignments_and_the_shells_own_words_are_found():
    """A dump that cannot be made would be noticed only when the web UI is stopped for its upgrade."""
    commands = ['PGOPTIONS="-c geqo=off" pg_dumq -Fc > "$DUMP"', "set -e; whatever", "pg_dumq again", "a 'cut quote"]

    def run_command(words):
        return subprocess.run(words, capture_output=True, check=False).returncode, "", ""

    assert host.missing_programs(commands, run_command) == ["pg_dumq"]


def test_the_containers_name_for_the_host_is_loopback_on_the_host():
    assert host.from_host("http://host.docker.internal:11434/x") == "http://127.0.0.1:11434/x"
    assert host.from_host("http://10.0.0.5:11434") == "http://10.0.0.5:11434"


def test_the_docker_modules_get_a_python_that_has_requests(tmp_path):
    """Without it they run under the virtual environment of Ansible itself, which does not see the distribution's python3-requests."""
    venv, system, elsewhere = (str(tmp_path / name) for name in ("venv", "system", "elsewhere"))
    for path in (venv, system):
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n")
        os.chmod(path, 0o755)
    asked = []

    def answers(**codes):
        asked.clear()

        def run_command(words):
            asked.append(words[0])
            return codes[os.path.basename(words[0])], "", ""

        return run_command

    others = (elsewhere, system)
    assert host.python_with_requests(answers(venv=0, system=0), venv, others) == venv and asked == [venv]
    assert host.python_with_requests(answers(venv=1, system=0), venv, others) == system
    assert host.python_with_requests(answers(venv=1, system=1), venv, others) is None and asked == [venv, system]
    assert host.python_with_requests(answers(system=1), system, others) is None and asked == [system]


def test_a_process_that_was_given_a_variable(tmp_path):
    (tmp_path / "17").mkdir()
    (tmp_path / "17/environ").write_bytes(b"PATH=/bin\0WEBUI_ADMIN_PASSWORD=x\0")
    given = [host.was_given("WEBUI_ADMIN_PASSWORD", pid, str(tmp_path)) for pid in (17, 18, 0, None)]
    assert given == [True, False, False, False] and not host.was_given("ADMIN_PASSWORD", 17, str(tmp_path))
