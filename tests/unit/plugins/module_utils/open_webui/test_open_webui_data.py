# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Saving and restoring Open WebUI's data. Without these tests a backup could lack the last chats, a restore could leave half of the old data
in place, and an archive from a stranger could write anywhere as root."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import sys
import tarfile

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.open_webui import data

ME = (os.getuid(), os.getgid())


@pytest.fixture
def folder(tmp_path):
    """A data folder whose newest chat lies only in the write-ahead log, with the writer still connected."""
    place = tmp_path / "data"
    (place / "uploads").mkdir(parents=True)
    (place / "uploads" / "note.txt").write_text("kept")
    (place / "cache").mkdir()
    (place / "cache" / "big").write_text("not kept")
    writer = sqlite3.connect(place / "webui.db", isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA wal_autocheckpoint=0")
    writer.executescript(
        "CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('abc123');"
        "CREATE TABLE chat (title TEXT); CREATE TABLE user (email TEXT); INSERT INTO user VALUES ('ann');"
    )
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    writer.execute("INSERT INTO chat VALUES ('the newest')")
    assert os.path.getsize(place / "webui.db-wal") > 0
    yield place
    writer.close()


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secrets" / "secret_key"
    path.parent.mkdir()
    path.write_text("k" * 40)
    return path


@pytest.fixture
def archive(tmp_path, folder, secret):
    path = tmp_path / "backups" / "open-webui-manual-1.tar.gz"
    data.save(str(folder), str(path), str(secret), {"version": "0.12.4"})
    return path


def chats(folder):
    with sqlite3.connect(folder / "webui.db") as database:
        return [row[0] for row in database.execute("SELECT title FROM chat")]


def test_the_write_ahead_log_is_in_the_backup(archive, tmp_path):
    about = data.bring_back(str(archive), str(tmp_path / "other"), None, ME)
    assert chats(tmp_path / "other") == ["the newest"]
    assert (about["chats"], about["users"], about["revision"], about["version"]) == (1, 1, "abc123", "0.12.4")
    assert (tmp_path / "other" / "uploads" / "note.txt").read_text() == "kept"
    assert not (tmp_path / "other" / "cache").exists()


def test_nobody_else_can_read_the_archive(archive):
    assert archive.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]


def test_restore_replaces_the_newer_database_with_its_log(archive, tmp_path):
    """A log of the newer database beside the restored one would corrupt it."""
    place = tmp_path / "other"
    place.mkdir()
    for name in ("webui.db", "webui.db-wal", "webui.db-shm"):
        (place / name).write_bytes(b"newer and broken")
    (place / "uploads").mkdir()
    (place / "uploads" / "from-the-newer-release").write_text("x")
    (place / "cache").mkdir()
    data.bring_back(str(archive), str(place), None, ME)
    assert chats(place) == ["the newest"]
    assert sorted(os.listdir(place)) == ["cache", "uploads", "webui.db"]
    assert os.listdir(place / "uploads") == ["note.txt"]


def test_the_secret_comes_back_with_its_mode(archive, secret, tmp_path):
    secret.write_text("another")
    secret.chmod(0o640)
    data.bring_back(str(archive), str(tmp_path / "other"), str(secret), ME)
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("k" * 40, 0o640)


def test_the_secret_stays_when_it_is_not_wanted(archive, secret, tmp_path):
    secret.write_text("the vault's")
    data.bring_back(str(archive), str(tmp_path / "other"), None, ME)
    assert secret.read_text() == "the vault's"


class Killed(BaseException):
    """What no `finally` sees: the process is gone."""


@pytest.mark.parametrize("renames", range(6))
def test_a_restore_that_is_killed_loses_nothing_and_is_done_again(archive, tmp_path, monkeypatch, renames):
    """L8. Deleted: a restore that is killed leaves half of two databases, or none and an empty one is made in its place, and the secret key of the
    archive lies in the volume for ever."""
    place = tmp_path / "other"
    (place / "uploads").mkdir(parents=True)
    (place / "uploads" / "theirs.txt").write_text("newer")
    (place / "webui.db").write_text("newer")
    real, done = os.rename, []

    def rename(source, target):
        if len(done) == renames:
            raise Killed
        done.append(target)
        real(source, target)

    with monkeypatch.context() as killed:
        killed.setattr(data.os, "rename", rename)
        killed.setattr(data.shutil, "rmtree", lambda *_given, **_options: None)
        try:
            data.bring_back(str(archive), str(place), None, ME)
        except Killed:
            everywhere = [path.read_text() for path in place.rglob("webui.db") if ".restore-" not in str(path)]
            assert "newer" in everywhere, "the old database is there, under its name or beside it"
    assert any(name.startswith(".restore-") for name in os.listdir(place))
    data.bring_back(str(archive), str(place), None, ME)
    assert chats(place) == ["the newest"] and sorted(os.listdir(place / "uploads")) == ["note.txt"]
    assert sorted(os.listdir(place)) == ["uploads", "webui.db"]


def test_what_may_be_newer_than_the_archive_is_kept(archive, tmp_path):
    """Deleted: whoever chatted with the release that is taken back after all would lose that."""
    place = tmp_path / "other"
    assert data.bring_back(str(archive), str(place), None, ME, keep=True)["kept"] is None, "there was nothing"
    (place / "webui.db-wal").write_text("newer")
    (place / "uploads" / "theirs.txt").write_text("newer")
    kept = data.bring_back(str(archive), str(place), None, ME, keep=True)["kept"]
    assert os.path.dirname(kept) == str(place) and sorted(os.listdir(kept)) == ["uploads", "webui.db", "webui.db-wal"]
    assert sorted(os.listdir(kept + "/uploads")) == ["note.txt", "theirs.txt"] and os.stat(kept).st_mode & 0o777 == 0o700
    data.bring_back(str(archive), str(place), None, ME)
    assert os.path.exists(kept), "a later restore takes its own leavings only"


def test_a_disk_that_takes_no_new_name_gives_the_old_ones_back(archive, tmp_path, monkeypatch):
    place = tmp_path / "other"
    place.mkdir()
    (place / "webui.db").write_text("old")
    real = os.rename

    def rename(source, target):
        if ".restore-" in source:
            raise OSError(5, "Input/output error")
        real(source, target)

    monkeypatch.setattr(data.os, "rename", rename)
    with pytest.raises(OSError):
        data.bring_back(str(archive), str(place), None, ME)
    assert os.listdir(place) == ["webui.db"] and (place / "webui.db").read_text() == "old"


def test_an_archive_says_whether_it_holds_a_dump(folder, secret, tmp_path):
    """A restore must not put SQLite's chats beside a PostgreSQL that then serves none of them."""
    dump = tmp_path / "database.dump"
    dump.write_text("a dump")
    for name, given in (("with", str(dump)), ("without", None)):
        data.save(str(folder), str(tmp_path / f"{name}.tar.gz"), str(secret), {}, given)
    assert data.describe(str(tmp_path / "with.tar.gz"))["dump"] is True
    assert data.describe(str(tmp_path / "without.tar.gz"))["dump"] is False


def test_a_dump_alone_is_a_backup_too(secret, tmp_path):
    """A fresh host has no volume yet, and what a restore replaces in PostgreSQL must still be saved."""
    dump = tmp_path / "database.dump"
    dump.write_text("a dump")
    about = data.save(None, str(tmp_path / "a.tar.gz"), str(secret), {}, str(dump))
    assert about["dump"] and not about["database"]
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        assert sorted(archive.getnames()) == ["about.json", "database.dump", "secret_key"]


def test_a_cut_archive_changes_nothing(archive, folder):
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) - 200])
    before = sorted(os.listdir(folder))
    with pytest.raises(data.DataError, match="not a whole backup"):
        data.bring_back(str(archive), str(folder), None, ME)
    assert sorted(os.listdir(folder)) == before


def repack(archive, change):
    with tarfile.open(archive) as source:
        members = {member.name: source.extractfile(member).read() for member in source if member.isfile()}
    extra = change(members) or []
    with tarfile.open(archive, "w:gz") as out:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
        for info in extra:
            out.addfile(info)


def link(name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda members: members.update({"data/../../escaped": b"x"}), "holds data/../../escaped"),
        (lambda members: members.update({"/etc/escaped": b"x"}), "holds /etc/escaped"),
        (lambda members: [link("data/uploads/way-out", "/etc/passwd")], "holds data/uploads/way-out"),
        (lambda members: members.update({"data/webui.db": members["data/webui.db"][:-1] + b"!"}), "not the one that was saved"),
        (lambda members: members.update({"about.json": json.dumps({"format": 99}).encode()}), "has format 99"),
        (lambda members: members.pop("about.json") and None, "not a whole backup"),
    ],
)
def test_a_foreign_archive_is_refused_and_the_data_stays(archive, folder, tmp_path, change, said):
    repack(archive, change)
    with pytest.raises(data.DataError, match=said):
        data.bring_back(str(archive), str(folder), None, ME)
    assert chats(folder) == ["the newest"]
    assert not (tmp_path / "escaped").exists()
    assert not [name for name in os.listdir(folder) if name.startswith(".restore-")]


def test_a_damaged_database_is_not_saved_as_if_it_were_whole(folder, secret, tmp_path):
    (folder / "webui.db").write_bytes(b"this is no database" * 100)
    for name in ("webui.db-wal", "webui.db-shm"):
        (folder / name).unlink()
    target = tmp_path / "backups" / "a.tar.gz"
    with pytest.raises(data.DataError, match="webui.db"):
        data.save(str(folder), str(target), str(secret), {})
    assert list(target.parent.iterdir()) == []


def test_a_full_disk_is_told_before_the_first_byte(folder, secret, tmp_path, monkeypatch):
    monkeypatch.setattr(data.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1})())
    with pytest.raises(data.DataError, match="has 1 bytes free, the backup may need"):
        data.save(str(folder), str(tmp_path / "b" / "a.tar.gz"), str(secret), {})


def test_only_the_oldest_of_the_same_kind_are_pruned(tmp_path):
    for age, name in enumerate(["open-webui-upgrade-3", "open-webui-upgrade-2", "open-webui-manual-9", "open-webui-upgrade-1"]):
        path = tmp_path / f"{name}.tar.gz"
        path.write_text("x")
        os.utime(path, (1000 - age, 1000 - age))
    assert data.prune(str(tmp_path), "open-webui-upgrade", 2) == ["open-webui-upgrade-1.tar.gz"]
    left = ["open-webui-manual-9.tar.gz", "open-webui-upgrade-2.tar.gz", "open-webui-upgrade-3.tar.gz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == left


MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /srv rw,relatime shared:1 - nfs4 nas:/srv rw
31 30 8:2 / /srv/local\\040disk rw - xfs /dev/sdb rw
32 30 0:41 / /srv rw shared:2 master:3 - ceph mon:/ rw
"""


@pytest.mark.parametrize(
    "path, kind",
    [("/var/lib/x", "ext4"), ("/srv", "ceph"), ("/srvx", "ext4"), ("/srv/deep/er", "ceph"), ("/srv/local disk/data", "xfs")],
)
def test_the_file_system_is_that_of_the_nearest_and_topmost_mount(path, kind):
    assert data.filesystem_of(path, MOUNTS) == kind


def test_what_is_mounted_in_the_data_is_told():
    """Deleted: a purge would empty a disk that somebody has mounted among the data."""
    assert data.mounts_in("/srv", MOUNTS) == ["/srv/local disk"] and data.mounts_in("/srv/local disk", MOUNTS) == data.mounts_in("/sr", MOUNTS) == []
    assert data.mounts_in(None, MOUNTS) == []


def test_a_volume_over_nfs_is_known_before_it_is_mounted():
    volume = {"Mountpoint": "/var/lib/docker/volumes/x/_data", "Options": {"type": "nfs", "device": ":/x"}}
    assert data.volume_filesystem(volume, MOUNTS) == "nfs"
    assert data.volume_filesystem({**volume, "Options": None}, MOUNTS) == "ext4"


def test_an_empty_folder_has_no_database(tmp_path):
    assert data.look_into(str(tmp_path))["database"] is False
    assert data.look_into(str(tmp_path / "none"))["owner"] is None


def test_a_database_that_is_a_link_is_not_read(tmp_path, folder, secret):
    """Deleted: the container's user could have root's backup take in any database of the host, and a rollback hand it to the container."""
    other = tmp_path / "data" / "webui.db"
    os.rename(other, tmp_path / "root.db")
    other.symlink_to(tmp_path / "root.db")
    for work in (lambda: data.look_into(str(folder)), lambda: data.save(str(folder), str(tmp_path / "backups" / "b.tar.gz"), str(secret), {})):
        with pytest.raises(data.DataError, match="is a link"):
            work()
    assert not (tmp_path / "backups" / "b.tar.gz").exists()


def names_in(archive):
    with tarfile.open(archive) as source:
        return {member.name: source.extractfile(member).read() if member.isfile() else None for member in source}


def test_a_file_that_becomes_a_link_while_it_is_saved_is_not_followed(tmp_path, folder, secret):
    """Deleted: the container, which serves on, could have root take /etc/shadow for one of its uploads, and read it after the next way back."""
    (tmp_path / "shadow").write_text("root:secret..")
    upload, waiting = folder / "uploads" / "note.txt", [True]
    upload.write_text("as long as it")

    def exchange(event, arguments):
        if event == "open" and waiting and str(arguments[0]).endswith("note.txt"):
            waiting.clear()
            upload.unlink()
            upload.symlink_to(tmp_path / "shadow")

    sys.addaudithook(exchange)
    try:
        data.save(str(folder), str(tmp_path / "backups" / "b.tar.gz"), str(secret), {})
    finally:
        waiting.clear()
    assert upload.is_symlink() and b"root:secret.." not in names_in(tmp_path / "backups" / "b.tar.gz").values()


def test_links_pipes_and_second_names_among_the_uploads_stop_no_backup(tmp_path, folder, secret):
    """Deleted: one link to nothing in the container's data would make every backup, and with it every upgrade, fail."""
    uploads = folder / "uploads"
    (uploads / "deep").mkdir()
    (uploads / "deep" / "one").write_text("1")
    os.link(uploads / "deep" / "one", uploads / "two")
    os.mkfifo(uploads / "pipe")
    (uploads / "nowhere").symlink_to("/nowhere")
    (uploads / "folder").symlink_to(tmp_path / "secrets")
    (folder / "vector_db").symlink_to(tmp_path / "secrets")
    (folder / "webui.db-link").symlink_to("/nowhere")
    archive = str(tmp_path / "backups" / "b.tar.gz")
    data.save(str(folder), archive, str(secret), {})
    found = names_in(archive)
    assert sorted(name for name in found if name.startswith("data/")) == [
        "data/uploads", "data/uploads/deep", "data/uploads/deep/one", "data/uploads/note.txt", "data/uploads/two", "data/webui.db",
    ]
    assert found["data/uploads/two"] == b"1", "a second name of a file was left out"
    (tmp_path / "fresh").mkdir()
    data.bring_back(archive, str(tmp_path / "fresh"), None, ME)
    assert (tmp_path / "fresh" / "uploads" / "deep" / "one").read_text() == "1"
