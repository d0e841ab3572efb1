# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What module firewall_door does to a host, with a kernel and a systemd that write down what they are asked.

Deleted, rules that nftables refuses could be written, so that the next start of the host has no door; or each run could load them again. That real
rules hold is seen in molecule/open_webui/steps/door.yml.
"""

from __future__ import annotations

import errno
import json
import os

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.llmfleet.ollama.plugins.modules import firewall_door


class Host:
    """loaded: the id of the rules in the kernel; running: units that are up; refused: a command that fails."""

    def __init__(self, top, monkeypatch, capsys):
        self.top, self.capsys = top, capsys
        self.loaded, self.running, self.refused, self.called = None, set(), "", []
        monkeypatch.setattr(firewall_door, "door", lambda table: {"error": None, "id": self.loaded})
        monkeypatch.setattr(firewall_door.AnsibleModule, "run_command", lambda _module, words: self.answer(words))

    def answer(self, words):
        said = " ".join(words)
        self.called.append(words[1] if words[0] == "systemctl" else "nft " + words[1])
        if self.refused and said.startswith(self.refused):
            return 1, "", "no such thing\nand more"
        if words[1] in ("is-active", "is-enabled"):
            return (0 if words[1] in self.running else 3), "", ""
        if words[1] == "reload-or-restart":
            self.loaded, self.running = "abc", {"is-active", "is-enabled"}
        return 0, "", ""

    def run(self, check=False, **door):
        files = [{"path": str(self.top / name), "content": name} for name in ("etc/rules", "units/door", "units/watch")]
        wanted = {"files": files, "units": [files[1]["path"], files[2]["path"]], "rules": files[0]["path"], "table": "t", "id": "abc", **door}
        self.called.clear()
        with patch_module_args({"door": wanted, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            firewall_door.main()
        return json.loads(self.capsys.readouterr().out)

    def files(self):
        return sorted(path.name for path in self.top.rglob("*") if path.is_file())


@pytest.fixture
def host(tmp_path, monkeypatch, capsys):
    return Host(tmp_path, monkeypatch, capsys)


def test_a_door_is_made_once(host):
    assert len(host.run(check=True)["written"]) == 3 and host.files() == []
    first = host.run()
    assert first["changed"] and first["loaded"] and host.files() == ["door", "rules", "watch"]
    assert host.called.index("nft -c") < host.called.index("daemon-reload") < host.called.index("reload-or-restart")
    second = host.run()
    assert (second["changed"], second["written"], second["loaded"], host.called) == (False, [], False, ["is-active", "is-enabled"])


def test_what_somebody_undid_is_put_right(host):
    host.run()
    host.loaded = None
    assert host.run()["loaded"] and host.loaded == "abc"
    host.running = {"is-enabled"}
    assert host.run()["changed"] and "restart" in host.called
    (host.top / "units/door").chmod(0o666)
    assert host.run()["written"] == [str(host.top / "units/door")] and os.stat(host.top / "units/door").st_mode & 0o777 == 0o644


def test_rules_that_are_refused_are_never_written(host):
    host.refused = "nft -c"
    said = host.run()
    assert "nft -c does not work on this host (no such thing), so the port would be open" in said["msg"] and host.files() == []


def test_rules_that_are_not_there_afterwards_are_no_success(host):
    assert "were loaded and are not there" in host.run(id="other")["msg"]


def test_a_full_disk_is_named_and_nothing_half_is_left(host, monkeypatch):
    """The system's own word names no file, and a left one among the units would be there for ever."""

    def full(descriptor, *_given, **_options):
        os.close(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")

    (host.top / "etc").mkdir()
    (host.top / "etc/rules").write_text("etc/rules")
    (host.top / "etc/rules").chmod(0o644)
    monkeypatch.setattr(os, "fdopen", full)
    said = host.run()
    assert "%s cannot be written (No space left on device)" % (host.top / "units/door") in said["msg"] and host.files() == ["rules"]


def test_what_was_made_goes_and_nothing_else(host):
    host.run()
    (host.top / "etc/other").write_text("x")
    gone = {"state": "absent", "rules": None, "table": None, "id": None}
    assert len(host.run(check=True, **gone)["written"]) == 3 and len(host.files()) == 4
    assert host.run(**gone)["changed"] and host.files() == ["other"] and not (host.top / "units").exists()
    assert not host.run(**gone)["changed"] and host.called == []
