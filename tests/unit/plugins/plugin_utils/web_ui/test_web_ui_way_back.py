# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps back, backups and restores. Deleted, an old release could get a database that it cannot read, and a backup could miss the chats."""

from __future__ import annotations

import pytest
from web_ui_cases import FRESH, POSTGRES, SAVED, decide, ids, seen

OTHER_IMAGE = {"image": {"id": "sha256:b"}}


@pytest.mark.parametrize(
    "patch,wishes,archive,identities",
    [
        ({}, POSTGRES, None, []),  # the same image: nothing is migrated
        (OTHER_IMAGE, {}, None, []),
        (OTHER_IMAGE, POSTGRES, None, ["no_way_back"]),
        (OTHER_IMAGE, SAVED, None, []),
        (OTHER_IMAGE, {**SAVED, "version": "0.12.3"}, None, ["older_than_database"]),
        (OTHER_IMAGE, {**SAVED, "version": "0.12.10"}, None, []),
        (OTHER_IMAGE, {**SAVED, "version": "0.12.10"}, {"version": "0.13.0"}, ["older_than_database"]),
        (OTHER_IMAGE, SAVED, {}, []),
        (FRESH, POSTGRES, None, []),
        ({**FRESH, "image": {"present": True, "id": "sha256:b"}}, POSTGRES, None, []),
        ({**OTHER_IMAGE, "image": {"present": False, "id": None}}, POSTGRES, None, []),
    ],
)
def test_another_image_on_postgresql(patch, wishes, archive, identities):
    assert ids(decide(seen(patch), "image", archive=archive, **wishes)) == identities


def test_the_sentence_about_an_older_release_says_where_the_database_is():
    told = [decide(seen(OTHER_IMAGE), "image", archive=archive, **SAVED, version="0.12.3")["problems"][0]["say"] for archive in (None, {"version": "0.12.4"})]
    assert "has migrated the database in open_webui_database_url, and" in told[0] and "has migrated the database in the archive, and" in told[1]
    assert all("open_webui_version 0.12.3 is older than 0.12.4" in say for say in told)


@pytest.mark.parametrize(
    "known,archive,refused",
    [
        ("a1 c92d b2", None, None),
        ("a1 b2", None, "does not know the migration c92d of the database open-webui, which a newer release has written; keep open_webui_version at 0.12.4 or"),
        ("a1 c92d", {"revision": "ffff", "version": "0.13.0"}, "does not know the migration ffff of the database open-webui"),
        ("a1", {"revision": "ffff"}, "keep open_webui_version at the release that wrote it or newer"),
        ("a1", {"revision": None}, None),
        ("", {}, None),
    ],
)
def test_a_migration_that_the_image_does_not_know(known, archive, refused):
    problems = decide(seen(), "revision", archive=archive, given={"known": known})["problems"]
    assert len(problems) == bool(refused) and (not refused or refused in problems[0]["say"])


def test_the_image_is_asked_for_the_migration_of_what_it_will_get():
    assert decide(seen())["revision"] == "c92d"
    assert decide(seen(), archive={"revision": "ffff"})["revision"] == "ffff"
    assert decide(seen(), archive={})["revision"] == "" and decide(seen(FRESH))["revision"] == ""


@pytest.mark.parametrize(
    "patch,wishes,kind,identities",
    [
        ({}, {}, "manual", []),
        ({"data": {"database": False}}, {}, "manual", ["nothing_to_save"]),
        ({"data": {"database": False}}, SAVED, "manual", []),
        ({"container": {"managed": False}, "secrets": {"key": False}}, {}, "manual", ["key_not_saved"]),
        ({"container": {"managed": False}, "secrets": {"key": False}}, {}, "takeover-from-0.12.4", []),
        ({"container": {"managed": False}}, {}, "manual", []),
        ({}, POSTGRES, "manual", ["no_dump_command"]),
        ({"data": {"database": False}}, POSTGRES, "manual", ["nothing_to_save"]),
    ],
)
def test_what_a_backup_refuses(patch, wishes, kind, identities):
    assert ids(decide(seen(patch), "backup", given={"kind": kind}, **wishes)) == identities


def test_a_backup_on_a_host_without_an_engine_says_so():
    looked = seen({"data": {"database": False}, "engine": {"error": "no socket"}})
    say = decide(looked, "backup", given={"kind": "manual"})["problems"][0]["say"]
    assert "(open_webui_data open-webui: no socket); name the volume or the folder that it uses." in say


@pytest.mark.parametrize(
    "archive,wishes,identities",
    [
        ({"database": True, "dump": False}, {}, []),
        ({"database": True}, SAVED, []),  # of a release that did not say
        ({"database": True, "dump": False}, SAVED, ["archive_of_sqlite"]),
        ({"database": False, "dump": True}, {}, ["archive_of_postgresql"]),
        ({"database": False, "dump": True}, SAVED, []),
        ({"database": False, "dump": True}, POSTGRES, ["no_restore_command"]),
    ],
)
def test_an_archive_of_another_kind_of_database(archive, wishes, identities):
    assert ids(decide(seen(), "archive", archive=archive, **wishes)) == identities


@pytest.mark.parametrize(
    "remote,archive,path",
    [(True, "/b/a.tar.gz", "/b/a.tar.gz"), (False, "backups/a.tar.gz", "/var/backups/open-webui/a.tar.gz")],
)
def test_where_the_archive_lies_on_the_host(remote, archive, path):
    assert decide(restore_archive=archive, restore_remote_src=remote)["restore_file"] == path


@pytest.mark.parametrize(
    "ran,says",
    [
        ({"rc": 0}, None),
        ({"rc": 2, "stderr": "FATAL: p@ss'w$rd is wrong\n"}, "open_webui_database_dump_command ended with code 2: FATAL: … is wrong."),
        ({"rc": 1, "stderr": "no postgresql://webui:p%40ss'w$rd@db/webui"}, "ended with code 1: no …."),
        ({"msg": "timed out"}, "ended with code ?: timed out."),
        ({"rc": 1, "stderr": ""}, "ended with code 1: no message."),
    ],
)
def test_the_words_of_a_command_without_its_password(ran, says):
    """The task that runs it is not logged, and this sentence is."""
    wishes = {**SAVED, "database_url": "postgresql://webui:p%40ss'w$rd@db/webui"}
    problems = decide(seen(), "command", given={"variable": "open_webui_database_dump_command", "ran": ran}, **wishes)["problems"]
    assert [problem["say"].endswith(says) for problem in problems] == ([True] if says else [])


FAILED = {"task": "Wait for /ready of 0.12.4", "msg": "silence"}
BACK = {"answers": True, "why": "", "saved": "", "about": {}}
ARCHIVE = {**BACK, "saved": "/b/x.tar.gz", "about": {"saved_at": "2026-01-02", "chats": 3}}


@pytest.mark.parametrize(
    "patch,back,says",
    [
        (FRESH, {}, "(Wait for /ready of 0.12.4: silence); `docker logs open-webui` on the host says why. There was no earlier container to go back to."),
        ({"container": {"version": "0.12.0"}}, BACK, "0.12.0 is back and serving at http://127.0.0.1:3000 with its database untouched."),
        ({}, ARCHIVE, "is back and serving at http://127.0.0.1:3000 with the database of 2026-01-02 (3 chats, kept in /b/x.tar.gz)."),
        ({}, {**ARCHIVE, "about": {"saved_at": "2026-01-02", "chats": None}}, "with the database of 2026-01-02 (kept in /b/x.tar.gz)."),
        (
            {},
            {**BACK, "answers": False, "why": "http://x: status 503"},
            "is back and started, but does not answer yet (http://x: status 503), with its database untouched.",
        ),
    ],
)
def test_what_is_said_of_a_release_that_did_not_become_ready(patch, back, says):
    problems = decide(seen(patch), "start", given={**FAILED, "back": back})["problems"]
    assert len(problems) == 1 and problems[0]["say"].startswith("Open WebUI 0.12.4 did not become ready (Wait for /ready of 0.12.4: silence")
    assert problems[0]["say"].endswith(says)
