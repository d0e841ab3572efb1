# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a new Ollama that does not serve: why, and what serves now.

Deleted, an operator at night could read that nothing runs while the old server does, or the last words of the wrong process.
"""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import failure

URL = "http://127.0.0.1:11434"
SERVICE = {
    "addresses": {"local": URL}, "before": {"version": "0.32.15", "url": URL},
    "steps": {"had_server": True, "old_version": "0.32.15", "back_url": URL, "models_move": "move",
              "sources": "https://get.example (ollama_download_base_url)"},
}
SILENT = {"version": "", "status": 0, "ended": 0, "seconds": 8}
BACK = {"version": "0.32.15", "status": 200}
NEW = "Ollama 9.0.1 (ollama_version)"


def told(steps=None, before="as above", **known):
    served = SERVICE["before"] if before == "as above" else before
    service = {**SERVICE, "before": served, "steps": {**SERVICE["steps"], **(steps or {})}}
    usual = {"system": "linux", "proof": {}, "back": {}, "task": "Start it", "result": {}, "pid": 17, "store": "/new"}
    return failure.told(failure.Attempt(service=service, version="9.0.1", port=11434, seconds=8, **{**usual, **known}))


WHY = {
    "another version": ({"proof": {"version": "1.2.3", "status": 200}}, "At %s a server answers with version 1.2.3 instead of 9.0.1 (ollama_version)." % URL),
    "no Ollama": ({"proof": {"version": "", "status": 200}}, "At %s a server answers that is not Ollama; ollama_port 11434 is in use." % URL),
    "silent": ({"proof": SILENT}, "%s did not answer at %s within 8 s." % (NEW, URL)),
    "an error": ({"proof": {**SILENT, "status": 503}}, "%s did not answer at %s within 8 s with more than HTTP status 503." % (NEW, URL)),
    "an error that names the version": (
        {"proof": {**SILENT, "status": 500, "version": "9.0.1"}}, "%s did not answer at %s within 8 s with more than HTTP status 500." % (NEW, URL),
    ),
    "a loop of crashes": ({"proof": {**SILENT, "ended": 3, "seconds": 4}}, "%s did not answer at %s and ended 3 times within 4 s." % (NEW, URL)),
    "PowerShell's answer": ({"system": "windows", "proof": {"result": {"version": "1.2.3"}}}, "At %s a server answers with version 1.2.3 instead of 9" % URL),
    "PowerShell's silence": ({"system": "windows", "proof": {"result": {"version": ""}}}, "%s did not answer at %s within 8 s." % (NEW, URL)),
    "before the proof": ({"result": {"msg": "no room"}}, "%s could not be set up: Start it: no room. The server" % NEW),
    "one of several files": (
        {"result": {"msg": "One or more items failed", "results": [{"msg": "fine"}, {"failed": True, "msg": "No space left on device"}]}},
        "%s could not be set up: Start it: No space left on device. The server" % NEW,
    ),
    "the file of several by its name": (
        {"result": {"results": [{"failed": True, "msg": "full", "ansible_loop_var": "file", "file": {"path": "/etc/a", "content": "a secret"}}]}},
        "%s could not be set up: Start it: /etc/a: full. The server" % NEW,
    ),
    "the one of several": (
        {"result": {"results": [{"failed": True, "msg": "no", "ansible_loop_var": "path", "path": "/b"}]}},
        "%s could not be set up: Start it: /b: no. The server" % NEW,
    ),
    "without a reason": ({}, "%s could not be set up: Start it: no reason given" % NEW),
}


@pytest.mark.parametrize("case", WHY)
def test_why_it_does_not_serve(case):
    known, sentence = WHY[case]
    assert told(**known).startswith(sentence)


WORDS = {
    "its own": ({"proof": SILENT, "lines": ["17 old words", "1 Started it.", "20 panic: no", "20 panic: no", "20 bye."]}, "; its last words: panic: no / bye."),
    "systemd's, where it says nothing": ({"proof": SILENT, "lines": ["17 old words", "1 exec failed"]}, "; its last words: exec failed."),
    "only the old server's": ({"proof": SILENT, "lines": ["17 old words"]}, " within 8 s. The"),
    "no more than six": ({"proof": SILENT, "lines": ["20 %d" % number for number in range(9)]}, "last words: 3 / 4 / 5 / 6 / 7 / 8."),
    "no server before": ({"proof": SILENT, "pid": None, "lines": ["20 panic"]}, "; its last words: panic."),
    "a journal of weeks says nothing of a failed task": ({"lines": ["20 panic"]}, "no reason given. The"),
    "a log of this run": ({"system": "macos", "lines": ["panic"], "result": {"msg": "no."}}, "no. Its last words: panic."),
}


@pytest.mark.parametrize("case", WORDS)
def test_its_last_words(case):
    known, words = WORDS[case]
    assert words in told(**known)


NOW = {
    "back": ({"touched": True, "back": BACK}, "0.32.15 is back and serves at %s." % URL),
    "back on Windows": ({"touched": True, "system": "windows", "back": {"result": {"version": "0.32.15"}}}, "0.32.15 is back and serves at %s." % URL),
    "another one answers": (
        {"touched": True, "back": {"version": "9.0.1", "status": 200}},
        "The files of 0.32.15 are back, but at %s a server answers with version 9.0.1." % URL,
    ),
    "another one than the host has written down": (
        {"touched": True, "before": {"version": "", "url": URL}, "record": {"before": {"version": "0.32.14"}}, "back": BACK},
        "The files of 0.32.15 are back, but at %s a server answers with version 0.32.15." % URL,
    ),
    "one that nobody had asked": ({"touched": True, "before": {"version": "", "url": URL}, "back": BACK}, "0.32.15 is back and serves at %s." % URL),
    "not touched": ({"back": {}}, "The server from before was not touched and goes on."),
    "the first one": ({"touched": True, "steps": {"had_server": False}}, "There was no server before, so nothing runs now; the models directory stays."),
    "not back": ({"touched": True, "back": SILENT}, "The files of 0.32.15 are back, but it does not answer."),
    "as before": ({"touched": True, "before": None}, "The files of 0.32.15 are back, but it does not answer, as it did not before."),
    "of another installer": ({"touched": True, "steps": {"old_version": ""}}, "The files of the server from before are back, but it does not answer."),
    "not touched, and mute": ({"proof": SILENT}, "The server from before was not touched, and does not answer."),
    "not touched, and mute before": ({"before": {"version": "", "url": URL}}, "The server from before was not touched, and does not answer."),
    "not touched, on another port": (
        {"proof": SILENT, "before": {"version": "", "url": "http://127.0.0.1:1"}, "steps": {"back_url": "http://127.0.0.1:1"}},
        "The server from before was not touched and goes on.",
    ),
    "models that stay": ({"stores": ["/old"], "steps": {"models_move": "leave"}}, "The server from before was not touched and goes on."),
    "models on their way": ({"stores": ["/old", "/older"]}, "The models are whole in /old and /older; what /new has got of them waits for the next run."),
}


@pytest.mark.parametrize("case", NOW)
def test_what_serves_now(case):
    known, sentence = NOW[case]
    assert told(**known).endswith(" " + sentence)


def test_what_the_report_is_told():
    """Deleted, its row would name the release that was tried."""
    happened = failure.Attempt(
        service={**SERVICE, "addresses": {"local": URL, "url": "http://h:1"}}, version="9.0.1", system="linux", port=1, seconds=8, proof={}, back=BACK,
        task="x", result={}, touched=True,
    )
    assert failure.serves(happened) == {"version": "0.32.15", "previous_version": "", "url": "http://h:1", "rolled_back": True}
    assert failure.serves(dataclasses.replace(happened, service={**SERVICE, "steps": {**SERVICE["steps"], "had_server": False}})) is None


@pytest.mark.parametrize(("log", "lines"), [({"stdout_lines": ["a"]}, ["a"]), ({"result": {"last_words": ["b"]}}, ["b"]), ({"skipped": True}, []), ({}, [])])
def test_where_the_last_lines_stand(log, lines):
    assert failure.lines(log) == lines


FETCHED = {
    "one of a loop": (
        {"results": [{"msg": "fine"}, {"failed": True, "msg": "Request failed", "response": "HTTP Error 404: Not Found."}]},
        "Request failed: HTTP Error 404: Not Found;",
    ),
    "a command": ({"failed": True, "stderr": "it has no program bin/ollama\n", "msg": "non-zero return code"}, "it has no program bin/ollama;"),
    "a full disk": (
        {"failed": True, "msg": "failed to unpack a.tgz to /x", "extract_results": {"err": "tar: lib: Cannot write: No space left on device\ntar: Exiting"}},
        "failed to unpack a.tgz to /x: tar: lib: Cannot write: No space left on device;", "make room on the disk of ollama_install_dir, or choose another",
    ),
    "a closed disk": (
        {"failed": True, "msg": "[Errno 30] Read-only file system: '/opt/ollama'"}, "[Errno 30] Read-only file system: '/opt/ollama';",
        "mount the disk of ollama_install_dir writable, or choose another",
    ),
    "nothing": ({"failed": True}, "no reason given;"),
}


@pytest.mark.parametrize("case", FETCHED)
def test_why_a_release_could_not_be_had(case):
    result, reason, way_out = (*FETCHED[case], "correct ollama_version, or choose another")[:3]
    said = failure.not_fetched(SERVICE, "9.0.1", "", result)
    assert said.startswith("%s could not be had from https://get.example (ollama_download_base_url): %s %s " % (NEW, reason, way_out))
    assert said.endswith("Nothing was changed; 0.32.15 goes on.")


def test_a_first_release_with_a_checksum_of_the_users():
    fresh = {**SERVICE, "steps": {**SERVICE["steps"], "old_version": ""}}
    said = failure.not_fetched(fresh, "9.0.1", "sha256:aa", {"failed": True, "msg": "x"})
    assert "correct ollama_version or ollama_download_checksum, or" in said and said.endswith("Nothing was changed.")


def test_what_was_left_undone_behind_the_proof():
    """F12: it was Ansible's raw error, of a run that said nothing of what serves."""
    said = failure.not_settled(SERVICE, "9.0.1", "Put it there", {"results": [{"failed": True, "msg": "busy.", "ansible_loop_var": "path", "path": "/x"}]})
    assert said == "%s answers at %s, but the run did not come to its end behind that: Put it there: /x: busy. The next run goes on from there." % (NEW, URL)
