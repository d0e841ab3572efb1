# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a silent run says of itself, and that it says nothing where others speak."""

from __future__ import annotations

import sys

import pytest
import yaml
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.heartbeat import Running
from support import plays


class Quiet:
    silence = float("inf")

    def silent_for(self):
        return self.silence


@pytest.fixture
def watched():
    now, floor = [0.0], Quiet()
    return Running(clock=lambda: now[0], floor=floor), now, floor


def test_a_silent_task_is_named_once_a_minute_with_its_hosts_and_time(watched):
    """Unpacking, apt-get and a database's backup have no progress of their own: without this they look hung."""
    running, now, _floor = watched
    for second, host in enumerate(("hub", "gpu-02", "gpu-01", "gpu-04", "gpu-03")):
        now[0] = float(second)
        running.begin(host, "1", "ollama : Unpack the archives")
    now[0] = 58.0
    assert running.overdue(55) == []
    now[0] = 75.0
    assert running.overdue(55) == ["gpu-01, gpu-02, gpu-03 and 2 more: still at 'ollama : Unpack the archives', 1 min"]
    now[0] = 76.0
    assert running.overdue(55) == [], "the line was said a second ago"
    for host in ("hub", "gpu-01", "gpu-02", "gpu-03"):
        running.end(host, "1")
    running.begin("hub", "2", "Another")
    now[0] = 140.0
    assert running.overdue(55) == ["gpu-04: still at 'ollama : Unpack the archives', 2 min", "hub: still at 'Another', 1 min"]


def test_nothing_is_said_where_something_was_heard_or_nothing_runs(watched):
    """A heartbeat between the lines of a download, or after the last task, is noise."""
    running, now, floor = watched
    running.begin("hub", "1", "Pull")
    now[0] = 100.0
    floor.silence = 12.0
    assert running.overdue(55) == []
    floor.silence = float("inf")
    running.hear()
    assert running.overdue(55) == []
    running.end("hub", "1")
    running.end("hub", "unknown")
    now[0] = 1000.0
    assert running.overdue(55) == []


@pytest.mark.parametrize("seconds, expected", [("1", True), ("0", False)])
def test_in_a_real_run(tmp_path, seconds, expected):
    """The events must be those that ansible-core sends, and the thread must neither hang the run nor survive it."""
    play = {"hosts": "all", "gather_facts": False, "tasks": [{"name": "Take long", "ansible.builtin.command": "sleep 4"}]}
    (tmp_path / "site.yml").write_text(yaml.safe_dump([play]))
    (tmp_path / "hosts.yml").write_text(
        yaml.safe_dump({"all": {"hosts": {"slow": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}}})
    )
    environment = {"ANSIBLE_CALLBACKS_ENABLED": "llmfleet.ollama.heartbeat", "LLMFLEET_HEARTBEAT_SECONDS": seconds}
    # Twice in one call: the callback is the same one for both.
    done = plays.written(tmp_path, "-i", "hosts.yml", "site.yml", "site.yml", timeout=120, **environment)
    assert done.code == 0 and "Callback dispatch" not in done.text, done.text
    lines = [line for line in done.stdout.splitlines() if line.startswith("slow: still at 'Take long', ")]
    assert len(lines) >= 2 if expected else not lines, done.stdout
