# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus' node exporter is told of Ollama. Deleted, it could read half a file or none, a run could change it each time, or a file of numbers that
nobody writes any more stay and be believed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import types

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils import beside
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.proof_file import ProofFile
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.gateway import config
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import numbers
from support import ROOT

PROGRAM = ROOT / "roles/ollama/files/linux/numbers.py"
PLAN = {
    "models": [
        {
            "name": "chat:7b", "memory": {"total_bytes": 5 << 30}, "tokens_per_second": {"predicted": 31.6, "measured": 30.1},
            "placement": "multi_gpu", "devices": [{"total_bytes": 2 << 30}, {"total_bytes": 3 << 30}],
        },
        {"name": "embed:v1", "placement": "cpu", "devices": [], "memory": {"total_bytes": 1 << 30}, "tokens_per_second": {"predicted": None}},
    ]
}  # fmt: skip
CARDS = [
    {"index": 0, "name": "RTX 3060", "vendor": "nvidia", "uuid": "GPU-1", "pci_address": "0000:01:00.0", "memory_total_bytes": 12 << 30},
    {"index": 1, "name": "unknown", "vendor": "amd", "uuid": None, "pci_address": None, "memory_total_bytes": None},
]
NOTHING = {"changed": False, "models": [], "path": "", "diff": []}
# Of Prometheus' text format: a name, labels, a number.
LINE = re.compile(r'[a-z_]+\{[a-z_]+="(?:[^"\\]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\]|\\["\\n])*")*\} [0-9.]+')


def program():
    made = importlib.util.spec_from_file_location("numbers_program", PROGRAM)
    module = importlib.util.module_from_spec(made)
    made.loader.exec_module(module)
    return module


def listed(url="u", folder="/f", devices=None):
    return json.loads(numbers.files("gpu1", folder, PLAN, CARDS if devices is None else devices, url, "python3", "prometheus", "/p")[numbers.LIST])


def samples(text):
    told = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in told) and len({line.rpartition(" ")[0] for line in told}) == len(told)
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in told}


def test_the_list_holds_what_no_run_changes():
    """What is free, and what a proof has measured, would be a change with every run."""
    assert listed() == {
        "host": "gpu1", "url": "u", "file": "/f/llmfleet.prom", "proofs": "/p",
        "models": [
            {"name": "chat:7b", "planned_bytes": 5 << 30, "planned_vram_bytes": 5 << 30, "whole": True, "tokens_per_second": 31.6},
            {"name": "embed:v1", "planned_bytes": 1 << 30, "planned_vram_bytes": 0, "whole": False, "tokens_per_second": None},
        ],
        "cards": [
            {"index": 0, "name": "RTX 3060", "vendor": "nvidia", "uuid": "GPU-1", "pci_address": "0000:01:00.0", "total_bytes": 12 << 30},
        ],
    }  # fmt: skip
    assert listed(folder="/f/") == listed()


def test_the_unit_runs_as_the_folder_s_owner_without_rights():
    made = numbers.files("gpu1", "/var/lib/x", PLAN, [], "u", "/usr/bin/python3", "prometheus", "/p")
    assert list(made) == list(numbers.PATHS)
    unit = made[numbers.UNIT].splitlines()
    assert {"User=prometheus", "CapabilityBoundingSet=", "ProtectSystem=strict", "ReadWritePaths=/var/lib/x"} <= set(unit)
    assert "ExecStart=/usr/bin/python3 /etc/llmfleet/ollama-numbers.py /etc/llmfleet/ollama-numbers.json" in unit


def test_numbers_in_prometheus_words():
    """Loaded under its own name, under the mirror's, and one that nobody planned, with what a label must not hold."""
    loaded = [{"name": "hub:80/library/chat:7b", "size": 6, "size_vram": 5}, {"name": 'a"b\\c\n', "size": 1}, {"name": "chat:7b", "size": 6, "size_vram": 5}]
    told = samples(program().text(listed(), loaded, {"GPU-1": 4096}, {"chat:7b": 0, "gone:1b": 1}))
    assert told['llmfleet_ollama_up{host="gpu1"}'] == 1
    assert told['llmfleet_model_loaded_bytes{host="gpu1",model="chat:7b"}'] == 6
    assert told['llmfleet_model_loaded_vram_bytes{host="gpu1",model="chat:7b"}'] == 5
    assert told['llmfleet_model_loaded_vram_bytes{host="gpu1",model="a\\"b\\\\c\\n"}'] == 0
    assert told['llmfleet_model_planned_bytes{host="gpu1",model="embed:v1"}'] == 1 << 30
    assert {key: value for key, value in told.items() if "predicted" in key} == {
        'llmfleet_model_predicted_tokens_per_second{host="gpu1",model="chat:7b"}': 31.6
    }
    assert [told['llmfleet_model_planned_%s{host="gpu1",model="chat:7b"}' % what] for what in ("vram_bytes", "whole")] == [5 << 30, 1]
    assert {key: value for key, value in told.items() if "proved" in key} == {'llmfleet_model_proved{host="gpu1",model="chat:7b"}': 0}
    card = '{host="gpu1",card="RTX 3060",address="0000:01:00.0"}'
    assert (told["llmfleet_vram_total_bytes" + card], told["llmfleet_vram_free_bytes" + card]) == (12 << 30, 4096)
    silent = samples(program().text(listed(devices=[]), None, {}, {}))
    assert silent['llmfleet_ollama_up{host="gpu1"}'] == 0 and not [key for key in silent if "loaded" in key or "llmfleet_vram" in key]


def test_the_documentation_names_each_metric():
    """Who writes a query has nothing else to look at."""
    told = set(re.findall(r"`(llmfleet_[a-z_]+)`", (ROOT / "docs/gateway.md").read_text(encoding="utf-8")))
    assert {*program().SEEN, config.ENDS} == told


def test_the_dashboard_and_the_alerts_use_each_metric():
    """What nobody looks at need not be written, and a query of a name that is not there is empty for ever."""
    shipped = "".join((ROOT / "roles/gateway/files" / name).read_text(encoding="utf-8") for name in ("dashboard.json", "alerts.rules"))
    assert set(re.findall(r"\bllmfleet_[a-z_]+", shipped)) == {*program().SEEN, config.ENDS}


def test_a_proof_is_what_role_ollama_models_remembers(tmp_path):
    """Both sides name the file and its fields; a host that has none yet, or one that is spoilt, proves nothing."""
    path = tmp_path / "llmfleet.fact"
    file = ProofFile(str(path))
    for name, ok in (("chat:7b", False), ("hf.co/a/b:q4", True)):
        file.remember(name, "sha256:0", {"ok": ok, "ollama_version": "0", "devices": [], "settings": "", "context": 1})
    file.save()
    assert program().proved(str(path)) == {"chat:7b": 0, "hf.co/a/b:q4": 1}
    path.write_text("[]")
    assert program().proved(str(path)) == program().proved(str(tmp_path / "gone")) == {}


def test_what_is_free_is_the_drivers_word(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf 'GPU-1, 100\\nGPU-2, [N/A]\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    module = program()
    assert module.nvidia() == {"GPU-1": 100 << 20}
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert module.nvidia() == {}
    card = {"uuid": None, "pci_address": "0000:03:00.0"}
    folder = tmp_path / "0000:03:00.0"
    folder.mkdir()
    for name, value in (("total", 1000), ("used", 400)):
        (folder / ("mem_info_vram_" + name)).write_text("%d\n" % value)
    assert module.free_of(card, {}, str(tmp_path)) == 600
    assert module.free_of({**card, "pci_address": "0000:04:00.0"}, {}, str(tmp_path)) is module.free_of({**card, "pci_address": None}, {}) is None


class Exit(Exception):
    pass


@pytest.fixture
def host(tmp_path, ollama, monkeypatch):
    """run(folder) -> (result, verbs of systemctl). What systemd would start is started here."""
    places = [str(tmp_path / name) for name in ("numbers.py", "numbers.json", "numbers.service", "numbers.timer")]
    for name, path in zip(("PROGRAM", "LIST", "UNIT", "TIMER"), places, strict=True):
        monkeypatch.setattr(numbers, name, path)
    active = []

    def run(folder="", check=False, works=True, **more):
        verbs, told = [], {}

        def run_command(argv):
            verb = next(word for word in argv[1:] if not word.startswith("--"))
            verbs.append(verb)
            if verb == "is-active":
                return int(not active), "", ""
            if verb == "start":
                done = subprocess.run([sys.executable, *places[:2]], check=False, capture_output=True, text=True) if works else None
                return (done.returncode, "", done.stderr) if done else (1, "", "it failed")
            active[:] = [verb] if verb == "restart" else [] if verb == "disable" else active
            return 0, "", ""

        def exit_json(**result):
            told.update(result)
            raise Exit

        files = numbers.files("gpu1", folder, PLAN, CARDS[1:], ollama.url, beside.PYTHON, beside.OWNER, "/p") if folder else {}
        params = {"warm": None, "numbers": {"files": files, "folder": folder or None, "paths": places, "name": numbers.NAME}, **more}
        module = types.SimpleNamespace(
            params=params, check_mode=check, run_command=run_command, exit_json=exit_json, fail_json=lambda **result: exit_json(failed=True, **result)
        )
        with pytest.raises(Exit):
            exit_json(**beside.run(module))
        return told, verbs

    run.active, run.places = active, places
    return run


def test_the_file_is_there_moves_and_goes(host, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    told, verbs = host(str(folders[0]), check=True)
    assert told["changed"] and verbs == ["is-active"] and not os.path.exists(host.places[0]), "a dry run says so"
    assert {entry["before_header"] for entry in told["diff"]} == set(host.places)
    told, verbs = host(str(folders[0]))
    assert told["changed"] and verbs == ["is-active", "daemon-reload", "start", "enable", "restart"]
    (file,) = folders[0].iterdir()
    assert samples(file.read_text())['llmfleet_ollama_up{host="gpu1"}'] == 1 and file.stat().st_mode & 0o777 == 0o644
    assert host(str(folders[0])) == ({**NOTHING, "path": str(file)}, ["is-active"])
    host.active.clear()
    assert host(str(folders[0]))[0]["changed"] and host.active, "a timer that somebody stopped runs again"
    assert host(str(folders[1]))[0]["changed"] and not list(folders[0].iterdir()) and list(folders[1].iterdir())
    told, verbs = host()
    assert told["changed"] and verbs == ["disable", "stop", "daemon-reload"]
    assert not list(folders[1].iterdir()) and not any(map(os.path.exists, host.places))
    assert host() == (NOTHING, [])


def test_a_program_that_fails_is_told(host, tmp_path):
    told, _verbs = host(str(tmp_path), works=False)
    assert told["failed"] and "it failed; journalctl -u numbers.service says why" in told["msg"]
    assert "is no folder" in host(str(tmp_path / "gone"))[0]["msg"]


def test_the_host_is_taken_for_a_change_and_for_nothing_else(host, tmp_path, monkeypatch):
    """Deleted, two controllers could write and start the same units at once."""
    folder, now, told = str(tmp_path / "run/lock"), beside.clock(), str(tmp_path)
    me = {"token": "a", "who": "anna@desk", "controller": "desk 1", "process": "17", "started": "then"}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(lock, "FOLDERS", {beside.platform.system(): folder})
    lock.take(folder, {**me, "token": "b", "who": "otto@lap", "doing": "Ollama 1.0"}, now)
    result, verbs = host(told, holder=me)
    assert result["held"]["token"] == "b" and verbs == ["is-active"] and not os.path.exists(host.places[0])
    assert host(told, holder=me, check=True)[0]["changed"], "a dry run asks nobody"
    assert host(told, holder=me, over="b")[0]["changed"] and lock.read(folder, now) is None
    lock.take(folder, {**me, "token": "b", "doing": "Ollama 1.0"}, now)
    assert not host(told, holder=me)[0]["changed"] and "failed" in host(holder=me)[0]


def test_what_is_wrong_is_told_before_the_first_change(host, tmp_path):
    """Deleted, a host could be left with one half of what runs beside Ollama."""
    places = [str(tmp_path / name) for name in ("starter", "program", "list")]
    warm = {"files": dict.fromkeys(places, '{"models": []}'), **dict(zip(("starter", "program", "list"), places, strict=True)), "label": ""}
    assert "is no folder" in host(str(tmp_path / "gone"), warm=warm)[0]["msg"] and not any(map(os.path.exists, places))
    told, verbs = host(str(tmp_path), warm=warm)
    assert told["changed"] and len(told["diff"]) == 7 and all(map(os.path.exists, places)) and verbs[-1] == "restart"
