# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What served before a change, as the host keeps it and has it back.

Deleted, the way back would be known to one run only, and be gone with it.
"""

from __future__ import annotations

import json
import os
import shutil
import stat

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import record

BEFORE = {"release": "1.0", "previous": "", "version": "1.0", "url": "http://127.0.0.1:1", "had_server": True, "releases": ["1.0"]}


class Host:
    """A link, a unit, a drop-in with a secret; and a file that is not there."""

    def __init__(self, top):
        self.folder, self.link = str(top / "opt" / ".before"), str(top / "opt" / "current")
        self.unit, self.secret, self.absent = top / "etc" / "unit", top / "etc" / "drop in" / "secret", top / "etc" / "new"
        (top / "opt").mkdir()
        self.secret.parent.mkdir(parents=True)
        os.symlink("1.0", self.link)
        self.unit.write_text("old")
        self.secret.write_text("old secret")
        self.secret.chmod(0o600)
        os.utime(str(self.unit), (1000, 1000))

    def begin(self, asked="2.0", by="anna@desk", now=100, before=None):
        paths = [self.link, str(self.unit), str(self.secret), str(self.absent)]
        return record.begin(self.folder, dict(BEFORE, **before or {}), asked, by, now, paths)

    def change(self):
        os.unlink(self.link)
        os.symlink("2.0", self.link)
        self.unit.write_text("new")
        self.secret.write_text("new secret")
        self.secret.chmod(0o644)
        self.absent.write_text("new")

    def seen(self):
        return (os.readlink(self.link), self.unit.read_text(), self.secret.read_text(), stat.S_IMODE(self.secret.stat().st_mode), self.absent.exists())


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_everything_comes_back_as_it_was(host):
    before = host.seen()
    host.begin()
    host.change()
    assert record.restore(host.folder) is True and host.seen() == before
    assert host.unit.stat().st_mtime == 1000, "a server that is older than its files is restarted by every run"
    assert record.restore(host.folder) is False, "what is as it was is not written"
    assert record.done(host.folder) is True and not os.path.lexists(host.folder) and record.done(host.folder) is False


def test_nobody_reads_a_secret_while_it_is_put_back(host, monkeypatch):
    """The folder of the service's files is open to all, and a copy that has its mode only at its end would be, too."""
    host.begin()
    host.change()
    modes, copystat = [], shutil.copystat

    def asked(source, target, **options):
        modes.append(stat.S_IMODE(os.stat(target).st_mode))
        copystat(source, target, **options)

    monkeypatch.setattr(shutil, "copystat", asked)
    record.restore(host.folder)
    assert modes == [0o600, 0o600]


def test_it_is_for_root_alone_and_appears_whole(host):
    host.begin()
    assert stat.S_IMODE(os.stat(host.folder).st_mode) == 0o700 and not os.path.lexists(host.folder + ".new")
    assert record.told(record.read(host.folder)) == {
        "since": 100, "by": "anna@desk", "asked": "2.0", "tried": ["2.0"], "missing": [str(host.absent)], "before": BEFORE,
    }


def test_what_served_before_stays_what_it_was(host):
    """The second run sees the first one's half change; of that its own record would be made."""
    before = host.seen()
    host.begin()
    host.change()
    said = host.begin("3.0", "otto@lap", 200, {"release": "2.0", "version": ""})
    assert (said["asked"], said["tried"], said["by"], said["since"], said["before"]) == ("3.0", ["2.0", "3.0"], "otto@lap", 200, BEFORE)
    assert record.read(host.folder) == said
    record.restore(host.folder)
    assert host.seen() == before


@pytest.mark.parametrize("left", ["", "{", "[]", "{}", json.dumps({"schema": 2}), None])
def test_half_a_record_is_none(host, left):
    """Of a run that was cut off while it wrote one, nothing had been changed; of a release that kept none, nothing is known."""
    for folder in (host.folder, host.folder + ".new"):
        os.makedirs(folder + "/etc")
        if left is not None:
            with open(folder + "/record.json", "w", encoding="utf-8") as file:
                file.write(left)
    assert record.read(host.folder) is None and record.told(None) is None
    with pytest.raises(FileNotFoundError):
        record.restore(host.folder)
    host.begin()
    assert record.read(host.folder)["before"] == BEFORE and not os.path.exists(host.folder + "/etc")


def test_a_record_of_something_else_is_no_record_of_a_server(host):
    """One that a newer collection wrote, or one of another thing, must not be taken for what served."""
    said = host.begin()
    for changed in ({"of": "something"}, {"of": "open_webui"}, {"stage": 1}):
        with open(host.folder + "/record.json", "w", encoding="utf-8") as file:
            json.dump({**said, **changed}, file)
        assert record.read(host.folder) is None
    with open(host.folder + "/record.json", "w", encoding="utf-8") as file:
        json.dump({name: value for name, value in said.items() if name != "of"}, file)
    assert record.read(host.folder)["before"] == BEFORE, "of a collection that knew Ollama's only"
    with pytest.raises(FileNotFoundError):
        record.note(host.folder + "-other", "given")


def test_a_file_that_cannot_be_put_back_keeps_the_link_from_nothing(host):
    """A disk that is full or closed must not leave the new release behind the link."""
    host.begin()
    host.change()
    os.unlink(os.path.join(host.folder, "1"))
    with pytest.raises(OSError):
        record.restore(host.folder)
    assert os.readlink(host.link) == "1.0" and record.read(host.folder)


def test_a_link_that_was_not_there_goes(host):
    os.unlink(host.link)
    host.begin()
    os.symlink("2.0", host.link)
    record.restore(host.folder)
    assert not os.path.lexists(host.link)


def test_a_link_in_its_place_is_not_followed(host, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "record.json").write_text("x")
    os.symlink(str(theirs), host.folder)
    assert record.done(host.folder) is True and (theirs / "record.json").exists() and not os.path.lexists(host.folder)
