# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a host out of a gateway that runs. Deleted, an upgrade could cut requests off, or leave a host without any."""

from __future__ import annotations

import socket
import threading

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway import runtime


class Haproxy:
    """Its socket as HAProxy 3.0 answers on it: one command a connection, an empty line at the end."""

    def __init__(self, path):
        self.states = {("m1:7b", "gpu_a"): 0, ("m1:7b", "gpu_b"): 0, ("x:latest", "gpu_a"): 0}
        # What `show stat` says of gpu_a, one after the other, the last one for ever.
        self.sessions, self.heard, self.refuses, self.frontend = [2, 1, 0], [], "", "gateway"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                link, _address = self.listener.accept()
            except OSError:
                return
            with link:
                link.sendall((self.answer(link.recv(1000).decode().strip()) + "\n").encode())

    def answer(self, command):
        self.heard.append(command)
        if command == "show servers state":
            rows = ["7 %s 1 %s 10.0.0.1 2 %d 1" % (*names, state) for names, state in self.states.items()]
            return "\n".join(["1", "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight", *rows, ""])
        if command == "show stat -1 4 -1":
            now = self.sessions.pop(0) if len(self.sessions) > 1 else self.sessions[0]
            return "# pxname,svname,qcur,qmax,scur\nm1:7b,gpu_a,0,0,%d\nm1:7b,gpu_b,3,0,4\nx:latest,gpu_a,,0,0\n" % now
        if command == "show info":
            return "Name: HAProxy\nUptime: 0d 2h00m00s\nUptime_sec: 7200\nPid: 7"
        if command == "show stat -1 1 -1":
            return "# pxname,svname,req_tot,hrsp_4xx,hrsp_5xx,\nmetrics,FRONTEND,9,9,9,\n%s,FRONTEND,1234,12,3,\n" % self.frontend
        place, state = command.split()[2], command.split()[4]
        if not self.refuses:
            self.states[tuple(place.split("/"))] = runtime.FORCED_DRAIN if state == "drain" else 0
        return self.refuses


@pytest.fixture
def haproxy(tmp_path):
    # A path of a socket has 107 characters at most.
    made = Haproxy(str(tmp_path / "s"))
    yield made, str(tmp_path / "s")
    made.listener.close()


def test_what_came_in_is_what_its_own_door_counts(haproxy):
    """Deleted, the report could count Prometheus' own visits, or a run fail since no gateway is there to be asked."""
    made, path = haproxy
    assert runtime.traffic(path) == {"seconds": 7200, "requests": 1234, "refused": 12, "failed": 3}
    made.frontend = "another"
    assert runtime.traffic(path) == runtime.traffic(path + "-gone") == {}


def test_a_host_is_drained_in_every_backend_and_comes_back(haproxy):
    made, path = haproxy
    assert runtime.change("gpu_a", "drain", path) == ["gpu_a"]
    assert runtime.drained(path) == ["gpu_a"] and made.states[("m1:7b", "gpu_b")] == 0
    assert runtime.change("gpu_a", "drain", path) == []
    assert runtime.change("gpu_a", "ready", path) == ["gpu_a"]
    assert runtime.drained(path) == []


def test_the_end_of_its_requests_is_waited_for(haproxy):
    """And not that of another host's."""
    made, path = haproxy
    assert runtime.wait_until_idle("gpu_a", 60, path, pause=0) == 0
    assert made.heard == ["show stat -1 4 -1"] * 3


def test_the_wait_has_an_end(haproxy):
    _made, path = haproxy
    assert runtime.wait_until_idle("gpu_b", 0, path) == 7


def test_what_haproxy_refuses_is_said(haproxy):
    made, path = haproxy
    made.refuses = "No such server."
    with pytest.raises(OSError, match="HAProxy refuses drain of m1:7b/gpu_a: No such server"):
        runtime.change("gpu_a", "drain", path)


def test_no_gateway_has_nobody_drained(tmp_path):
    assert runtime.drained(str(tmp_path / "none")) == []


def test_a_host_is_called_as_in_the_configuration():
    assert runtime.server_name("gpu 1/a") == "gpu_1_a"
