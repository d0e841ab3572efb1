# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How root opens what others can write. Without these, a link in a model store would lead root to any file of the host."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils import nofollow
from support import needs

SOMEBODY = 65534


def link_of(uid, path, target):
    os.symlink(target, path)
    os.lchown(path, uid, uid)


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "store" / "blobs").mkdir(parents=True)
    (tmp_path / "store" / "blobs" / "one").write_text("1")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "one").write_text("nobody's business")
    return tmp_path


@needs.root
def test_a_link_of_somebody_else_among_the_folders_is_not_followed(tree):
    """Deleted: `blobs -> /root/.ssh` made by the service's user would be read, and what lies there removed."""
    link_of(SOMEBODY, tree / "store" / "aside", tree / "secret")
    path = str(tree / "store" / "aside" / "one")
    with pytest.raises(nofollow.Foreign):
        nofollow.read(path, 10)
    with pytest.raises(nofollow.Foreign):
        nofollow.unlink(path)
    assert nofollow.names(os.path.dirname(path)) == {} and (tree / "secret" / "one").exists()


@pytest.mark.parametrize("target", ["{tree}/store", "store", "./secret/../store"])
def test_a_link_of_the_administrator_is_followed(tree, target):
    """Deleted: a store that an administrator has moved behind a link would be taken for empty, and its models pulled anew."""
    link_of(os.geteuid(), tree / "moved", target.format(tree=tree))
    assert nofollow.read(str(tree / "moved" / "blobs" / "one"), 10) == b"1"
    assert list(nofollow.names(str(tree / "moved" / "blobs"))) == ["one"]


def test_links_that_lead_in_a_circle_end(tree):
    os.symlink("round", tree / "round")
    with pytest.raises(OSError):
        nofollow.read(str(tree / "round" / "one"), 10)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_only_a_regular_file_is_opened(tree, kind):
    """Deleted: root would read what a link names, or wait at a pipe for ever."""
    path = tree / "store" / "odd"
    {"link": lambda: os.symlink(tree / "secret" / "one", path), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()
    with pytest.raises(nofollow.Foreign):
        nofollow.read(str(path), 10)


@needs.root
def test_a_file_of_anybody_else_is_not_sealed(tree):
    """Deleted: a second name for a file that the user may link but not read (fs.protected_hardlinks=0) would be opened to all."""
    path = tree / "store" / "blobs" / "one"
    os.chown(path, 4711, 4711)
    path.chmod(0o600)
    with nofollow.opened(str(path)) as descriptor, pytest.raises(nofollow.Foreign):
        nofollow.seal(descriptor, {0, SOMEBODY})
    assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (4711, 0o600)


@needs.root
def test_what_root_has_closed_is_not_opened_in_passing(tree):
    """Deleted: /etc/shadow, which the filling server's user may give a second name where the kernel admits it, would be there for all to read."""
    path = tree / "store" / "blobs" / "one"
    path.chmod(0o640)
    with nofollow.opened(str(path)) as descriptor:
        nofollow.seal(descriptor, {0, SOMEBODY})
    assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (0, 0o640)


@needs.root
@needs.linux
def test_a_file_that_somebody_holds_open_for_writing_is_refused(tree):
    """Deleted: the filling server's user could write into a blob after it was verified, through a descriptor from before."""
    path = tree / "store" / "blobs" / "one"
    os.chown(path, SOMEBODY, SOMEBODY)
    with open(path, "r+b"), nofollow.opened(str(path)) as descriptor, pytest.raises(nofollow.Foreign):
        nofollow.seal(descriptor, {0, SOMEBODY})
    with nofollow.opened(str(path)) as descriptor:
        nofollow.seal(descriptor, {0, SOMEBODY})
    assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (0, 0o644)


@needs.root
@needs.linux
def test_a_file_that_was_taken_before_is_refused_while_that_user_still_writes(tree):
    """Deleted: it is root's since the first refusal, so under a second name it would be believed, and its user could write into what is served."""
    path, second = tree / "store" / "blobs" / "one", str(tree / "store" / "blobs" / "two")
    os.chown(path, SOMEBODY, SOMEBODY)
    os.link(path, second)
    with open(path, "r+b"):
        for name in (str(path), second):
            with nofollow.opened(name) as descriptor, pytest.raises(nofollow.Foreign):
                nofollow.seal(descriptor, {0, SOMEBODY})
    with nofollow.opened(second) as descriptor:
        nofollow.seal(descriptor, {0, SOMEBODY})


def test_a_second_name_is_that_of_the_open_file(tree):
    """Deleted: a name that is exchanged between check and link would be served unchecked."""
    source, target = str(tree / "store" / "blobs" / "one"), str(tree / "served")
    with nofollow.opened(source) as descriptor:
        os.replace(tree / "secret" / "one", source)
        with pytest.raises(nofollow.Foreign):
            nofollow.link(source, target, descriptor)
    assert not os.path.lexists(target)


@needs.root
def test_a_folder_is_given_away_and_not_what_its_links_lead_to(tree):
    """Deleted: `x -> /etc` in the data of a container would give the host's /etc to the container's user at the next takeover."""
    data = tree / "data"
    (data / "uploads").mkdir(parents=True)
    (data / "uploads" / "note").write_text("kept")
    (data / "run").write_text("a program")
    (data / "run").chmod(0o755)
    for name, target in (("folder", tree / "secret"), ("file", tree / "secret" / "one"), ("nothing", tree / "none")):
        link_of(SOMEBODY, data / "uploads" / name, target)
    before = {path: (path.stat().st_uid, path.stat().st_mode) for path in (tree / "secret", tree / "secret" / "one")}
    assert nofollow.give(str(data), 10300, 10301, private=True, dry=True) and data.stat().st_uid == 0
    assert nofollow.give(str(data), 10300, 10301, private=True)
    assert before == {path: (path.stat().st_uid, path.stat().st_mode) for path in before}
    given = {path.name: ("%o" % stat.S_IMODE(path.stat().st_mode)) for path in (data, data / "run", data / "uploads", data / "uploads" / "note")}
    assert given == {"data": "700", "run": "700", "uploads": "700", "note": "600"}
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in (data, *data.rglob("*"))} == {(10300, 10301)}
    assert not nofollow.give(str(data), 10300, 10301, private=True), "a second run would report a change for ever"
