# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down before a web UI changes, and what is done about a change that was cut off. Deleted, the module on the host would be told to go
back to a place that nobody noted, or a host with other troubles would stay down until somebody has mended those."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.change import record
from ansible_collections.llmfleet.ollama.plugins.modules import host_change
from web_ui_cases import FRESH, decide, ids, seen

BEFORE = {"restoring": "", "version": "0.12.0"}


def cut(asked="0.12.4", **before):
    return {"record": {"asked": asked, "before": {**BEFORE, **before}}}


def test_what_is_written_down_is_what_the_record_takes():
    """Whole: a record of which one value is missing is none."""
    upgrade = decide(seen({"container": {"id": "f00", "image_id": "sha256:b", "version": "0.12.0"}}), now=86400)
    change = upgrade["change"]
    assert change["before"] == {
        "id": "f00", "image": "sha256:b", "version": "0.12.0", "url": "http://127.0.0.1:3000/ready", "data": "/v/open-webui", "owner": 10300, "group": 10300,
        "saved": "/var/backups/open-webui/open-webui-upgrade-from-0.12.0-19700102T000000Z.tar.gz",
    }  # fmt: skip
    assert change["before"]["saved"] == upgrade["archives"]["change"]["path"], "where the role then saves it"
    assert upgrade["archives"]["change"]["prefix"] == "open-webui-upgrade"
    assert change["paths"] == ["/etc/open-webui/secrets/environment", "/etc/open-webui/secrets/secret_key"] and change["asked"] == "0.12.4"
    for looked in (seen(), seen(FRESH)):
        for name in ("change", "restoring"):
            whole = host_change.before_of(decide(looked)[name]["before"], "open_webui")
            assert all(isinstance(whole[key], kind) for key, kind in record.SHAPES["open_webui"].items())
    assert decide(seen(FRESH))["change"]["before"]["owner"] == -1


def test_no_archive_is_brought_back_where_no_other_release_had_the_data():
    assert decide(seen({"container": {"id": "f00"}}))["change"]["before"]["saved"] == ""


def test_a_restore_says_which_archive_and_whose_key():
    said = decide(seen(), restore_archive="/b/x.tar.gz", restore_remote_src=True)["restoring"]["before"]
    assert (said["restoring"], said["restore_key"]) == ("/b/x.tar.gz", True) and said["saved"].startswith("/var/backups/open-webui/open-webui-before-restore-")
    assert decide(seen(), secret_key="k" * 40)["restoring"]["before"]["restore_key"] is False


def test_the_release_that_was_asked_for_gets_its_time_and_another_one_a_glance():
    assert decide(seen(cut()), wait_seconds=300)["late"] == {"late": True, "seconds": 300}
    assert decide(seen({"previous": {"exists": True}}), wait_seconds=300)["late"]["seconds"] == 300
    assert decide(seen(cut("0.13.0")), wait_seconds=300)["late"] == {"late": True, "seconds": 10}


def test_other_troubles_do_not_keep_the_old_server_down():
    silent = {"backends": [{"url": "http://10.0.0.5:11434", "version": None, "error": "no route"}]}
    assert ids(decide(seen(silent), "host")) == ["silent_backends"]
    assert ids(decide(seen(silent, cut()), "host")) == [] == ids(decide(seen(silent, cut()), "engine"))
    assert ids(decide(seen(silent, cut()), "host", check_mode=True)) == [], "a dry run says nothing of backends in any case"
    assert ids(decide(seen(cut(), {"engine": {"error": "no answer"}}), "host")) == ["silent_engine"], "nobody can end anything there"


def test_a_removal_forgets_a_restore_that_came_half_only_with_the_data():
    assert decide(seen(), state="absent")["settled"] == decide(seen(cut()), state="absent")["settled"] == "/etc/open-webui/.before"
    assert decide(seen(cut(restoring="/b/x")), state="absent")["settled"] == ""
    assert decide(seen(cut(restoring="/b/x")), state="absent", purge=True)["settled"] == "/etc/open-webui/.before"
