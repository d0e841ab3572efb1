# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that change their store. Without these a new ollama_models_dir could lose what took hours to download, on a disk that fills up, in a
run that is cut off, or by a link that somebody laid."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pwd

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.errors import Failure
from ansible_collections.llmfleet.ollama.plugins.module_utils.models import store_move as code
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.store_move import Mover, as_user
from support import needs

MODEL = "application/vnd.ollama.image.model"


class Folder:
    """A store as Ollama writes it."""

    def __init__(self, path):
        self.path = path

    def blob(self, content):
        name = "sha256-" + hashlib.sha256(content).hexdigest()
        (self.path / "blobs").mkdir(parents=True, exist_ok=True)
        (self.path / "blobs" / name).write_bytes(content)
        return name

    def model(self, name, *contents, when=1000):
        parts = [{"mediaType": MODEL, "digest": self.blob(each).replace("-", ":"), "size": len(each)} for each in contents]
        manifest = self.path / "manifests/registry.ollama.ai/library" / name / "latest"
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(json.dumps({"config": parts[0], "layers": parts}), encoding="utf-8")
        os.utime(manifest, (when, when))

    @property
    def whole(self):
        """Names of the models that a server would serve from here, by what their manifests say."""
        names = set()
        for manifest in self.path.glob("manifests/**/latest"):
            parts = json.loads(manifest.read_text(encoding="utf-8"))["layers"]
            blobs = [self.path / "blobs" / part["digest"].replace(":", "-") for part in parts]
            if all(blob.is_file() and hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name[7:] for blob in blobs):
                names.add(manifest.parent.name)
        return names

    @property
    def files(self):
        return sorted(path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file() or path.is_symlink())


@pytest.fixture
def old(tmp_path):
    store = Folder(tmp_path / "old")
    store.model("one", b"config of one", b"weights" * 999, b"shared licence")
    store.model("two", b"config of two", b"other weights" * 999, b"shared licence")
    return store


@pytest.fixture
def new(tmp_path):
    return Folder(tmp_path / "new")


@pytest.fixture(params=["one file system", "two file systems"])
def mover(request, old, new, monkeypatch):
    """mover() as often as a run needs one; on two file systems a second name for a file is refused, as the kernel does."""
    if request.param == "two file systems":
        monkeypatch.setattr(os, "link", refuse)
    return lambda: Mover([str(old.path)], str(new.path))


def refuse(*_args, **_more):
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def test_bring_keeps_the_old_store_and_leave_empties_it(mover, old, new):
    """The two steps are what makes the way back possible: the old server serves on if the new one does not come up."""
    mover().bring()
    assert old.whole == new.whole == {"one", "two"}
    again = mover()
    again.bring()
    assert again.moved == 0, "a second run changes nothing"
    assert mover().leave() == []
    assert new.whole == {"one", "two"} and not old.path.exists()
    assert Mover([str(old.path)], str(new.path)).stores == []


def test_on_one_file_system_nothing_is_copied(old, new):
    """A copy of 40 GB would need the room twice and minutes in which nothing happens."""
    mover = Mover([str(old.path)], str(new.path), reserve_bytes=1 << 60)
    assert mover.to_copy() == 0 and mover.judge("move", "me") is None
    mover.bring()
    assert mover.copied_bytes == 0 and mover.moved_bytes == mover.bytes > 0
    assert all((old.path / name).samefile(new.path / name) for name in old.files if name.startswith("blobs/"))


class Cut(Exception):
    """The run ends here: Ctrl-C, a reboot, a host that cannot be reached any more."""


@pytest.mark.parametrize("link", [os.link, refuse], ids=["one file system", "two file systems"])
def test_a_run_that_is_cut_off_anywhere_loses_nothing_and_the_next_one_ends_it(tmp_path, monkeypatch, link):
    """Each call that changes the disk is the last one once."""
    monkeypatch.setattr(os, "link", link)
    real = {name: getattr(os, name) for name in ("replace", "unlink", "rmdir", "makedirs", "link")}

    def both_steps(old, new, left=None):
        def counted(call):
            def cutting(*args, **more):
                if left is not None:
                    left.append(call)
                    if len(left) > cut:
                        raise Cut
                return call(*args, **more)

            return cutting

        with monkeypatch.context() as patch:
            for name, call in real.items():
                patch.setattr(os, name, counted(call))
            Mover([str(old.path)], str(new.path)).bring()
            Mover([str(old.path)], str(new.path)).leave()

    for cut in range(200):
        old, new = Folder(tmp_path / str(cut) / "old"), Folder(tmp_path / str(cut) / "new")
        old.model("one", b"config of one", b"weights", b"shared")
        old.model("two", b"config of two", b"shared")
        try:
            both_steps(old, new, [])
        except Cut:
            assert old.whole | new.whole == {"one", "two"}, "after %d calls" % cut
            both_steps(old, new)
            assert new.whole == {"one", "two"} and old.files == [], "after %d calls" % cut
        else:
            break
    assert 20 < cut < 200


def test_a_store_that_has_models_of_its_own_keeps_them(mover, old, new):
    """Merged by digest: what both have is not brought again, and the later manifest of one name wins."""
    new.model("two", b"config of two", b"a newer two", when=2000)
    new.model("three", b"config of three", when=1)
    new.model("one", b"an older one", when=1)
    have = new.blob(b"weights" * 999)
    work = mover()
    assert have not in [name for _store, name, _size in work.missing()]
    work.bring()
    mover().leave()
    assert new.whole == {"one", "two", "three"} and not old.path.exists()
    read = {path.parent.name: path.read_text(encoding="utf-8") for path in new.path.glob("manifests/**/latest")}
    assert hashlib.sha256(b"a newer two").hexdigest() in read["two"], "the later one of the new store stays"
    assert hashlib.sha256(b"an older one").hexdigest() not in read["one"], "the later one of the old store comes"


def test_a_blob_of_the_wrong_size_is_replaced(mover, old, new):
    """An earlier copy that a full disk cut short, under its final name: Ollama would trust it."""
    name = next(name for name in old.files if name.startswith("blobs/"))
    (new.path / "blobs").mkdir(parents=True)
    (new.path / name).write_bytes(b"short")
    mover().bring()
    assert new.whole == {"one", "two"}


def test_a_spoilt_blob_is_not_copied_and_not_removed(old, new, monkeypatch):
    """A copy is held against its digest; what is spoilt stays where a person can look at it, and its model is fetched again."""
    monkeypatch.setattr(os, "link", refuse)
    spoilt = old.path / "blobs" / ("sha256-" + hashlib.sha256(b"config of one").hexdigest())
    spoilt.write_bytes(b"config of 0ne")
    mover = Mover([str(old.path)], str(new.path))
    mover.bring()
    assert new.whole == {"two"} and "is spoilt" in mover.warnings[0] and str(spoilt) in mover.warnings[0]
    assert Mover([str(old.path)], str(new.path)).leave() == [str(spoilt)] and spoilt.exists()


def test_beginnings_of_pulls_and_unused_blobs_are_not_brought(mover, old, new):
    """A server throws them away at its start; to copy them may be what fills the disk."""
    old.blob(b"of a removed model")
    (old.path / "blobs/sha256-abc-partial-0").write_bytes(b"beginning")
    mover().bring()
    assert len([name for name in new.files if name.startswith("blobs/")]) == 5
    mover().leave()
    assert not old.path.exists()


def test_where_a_manifest_cannot_be_read_every_blob_counts(mover, old, new):
    """Who does not know what is used must not throw away: a manifest of a later Ollama may look different."""
    extra = old.blob(b"used by what cannot be read")
    (old.path / "manifests/odd").write_text("not JSON", encoding="utf-8")
    mover().bring()
    assert (new.path / "blobs" / extra).exists() and (new.path / "manifests/odd").exists()


def test_names_that_are_links_to_blobs_come_along(mover, old, new):
    """Ollama 0.40 writes them so; another link would lead out of the store and is left alone."""
    blob = old.blob(b"a manifest as a blob")
    folder = old.path / "manifests-v2/ollama.com/library/m"
    folder.mkdir(parents=True)
    (folder / "1b").symlink_to("../../../../blobs/" + blob)
    (folder / "out").symlink_to("/etc/passwd")
    mover().bring()
    there = new.path / "manifests-v2/ollama.com/library/m/1b"
    assert os.readlink(there) == "../../../../blobs/" + blob and there.read_bytes() == b"a manifest as a blob"
    assert not (new.path / "manifests-v2/ollama.com/library/m/out").is_symlink()
    mover().leave()
    assert old.files == ["manifests-v2/ollama.com/library/m/out"]


def test_a_link_in_place_of_a_blob_is_not_followed(mover, old, new, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret", encoding="utf-8")
    (old.path / "blobs" / ("sha256-" + "0" * 64)).symlink_to(secret)
    (old.path / "manifests/odd").write_text("not JSON", encoding="utf-8")
    mover().bring()
    mover().leave()
    assert not (new.path / "blobs" / ("sha256-" + "0" * 64)).exists() and secret.exists()


@pytest.mark.parametrize("how", ["link to it", "link from it", "links inside", "trailing slash"])
def test_one_store_by_two_names_loses_nothing(old, tmp_path, how):
    """ollama_models_dir was a link that an administrator laid, and is now written out: to empty the old one would be to lose all."""
    other = tmp_path / "other"
    if how == "link to it":
        other.symlink_to(old.path)
    elif how == "link from it":
        old.path.rename(other)
        old.path.symlink_to(other)
    elif how == "links inside":
        other.mkdir()
        for part in ("blobs", "manifests"):
            (other / part).symlink_to(old.path / part)
    else:
        other = "%s/" % old.path
    mover = Mover([str(old.path)], str(other))
    assert mover.stores == [] and mover.judge("refuse", "me") is None
    mover.bring()
    mover.leave()
    assert old.whole == {"one", "two"}


# -- before the first change -----------------------------------------------------------------------------------------------


def judged(old, new, word="move", **more):
    return Mover([str(old.path)], str(new.path), **more).judge(word, "ollama")


def test_without_the_word_it_is_refused_in_one_sentence(old, new):
    """GiB, both paths, the variable and both ways out: what a person needs to decide."""
    said = judged(old, new, "refuse")
    for word in (str(old.path), str(new.path), "KiB of models", "set ollama_models_move to true", "set ollama_models_move to leave"):
        assert word in said
    assert said.count(". ") == 0 and not new.path.exists()
    assert judged(old, new, "leave") is None and judged(old, new, "move", reserve_bytes=0) is None


def test_an_empty_or_absent_store_is_no_obstacle(old, new, tmp_path):
    (tmp_path / "empty/blobs").mkdir(parents=True)
    assert Mover([str(tmp_path / "empty"), str(tmp_path / "absent")], str(new.path)).judge("refuse", "ollama") is None


def test_a_disk_that_is_too_small_is_refused_before_the_first_byte(old, new, monkeypatch):
    """The disk check counts what is to be copied, less what the new store has already."""
    monkeypatch.setattr(Mover, "to_copy", lambda self: 5 << 30)
    monkeypatch.setattr(Mover, "free", lambda self: 6 << 30)
    assert judged(old, new, reserve_bytes=1 << 30) is None
    said = judged(old, new, reserve_bytes=2 << 30)
    assert "has 6.0 GiB free, but 5.0 GiB of models are to be moved there" in said and "2.0 GiB to be kept free" in said


def test_what_is_there_already_is_not_counted_again(old, new, monkeypatch):
    monkeypatch.setattr(os, "link", refuse)
    device = os.stat
    monkeypatch.setattr(code.os, "stat", lambda path, **more: Elsewhere(device(path, **more)) if str(path).startswith(str(new.path)) else device(path, **more))
    new.path.mkdir()
    mover = Mover([str(old.path)], str(new.path))
    assert mover.to_copy() == mover.bytes
    new.blob(b"weights" * 999)
    assert mover.to_copy() == mover.bytes - 7 * 999


class Elsewhere:
    def __init__(self, real):
        self.real = real

    def __getattr__(self, name):
        return -1 if name == "st_dev" else getattr(self.real, name)


def test_a_disk_that_fills_up_meanwhile_ends_with_a_sentence_and_an_old_store_that_is_whole(old, new, monkeypatch):
    monkeypatch.setattr(os, "link", refuse)
    room = iter([1 << 30, 1 << 30, 10, 10, 10])
    monkeypatch.setattr(Mover, "free", lambda self: next(room))
    with pytest.raises(Failure, match="make room, then run again; what was copied is kept"):
        Mover([str(old.path)], str(new.path)).bring()
    assert old.whole == {"one", "two"} and not [name for name in new.files if name.endswith(".moving")]


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "smbfs"])
def test_a_store_that_others_may_use_is_not_emptied(old, new, monkeypatch, kind):
    """Several servers may pull from one store on the network; to move it would take the models from all of them."""
    monkeypatch.setattr(code, "_filesystem", lambda path: kind)
    said = judged(old, new)
    assert "since it lies on %s, where other servers may use them; set ollama_models_move to leave" % kind in said


def test_the_file_system_of_a_path_is_that_of_its_longest_mount():
    with open("/proc/self/mountinfo", encoding="utf-8") as handle:
        proc = [line for line in handle if line.split()[4] == "/proc"]
    assert proc and code._filesystem("/proc/self") == proc[-1].split(" - ")[1].split()[0]
    assert code._filesystem("/") not in ("", "proc")


# -- as the service's user -------------------------------------------------------------------------------------------------


@needs.root
def test_the_work_is_done_as_the_user_and_its_answer_comes_back():
    """What root moves for the service's user, root moves wherever that user's links lead."""
    seen = []

    def work(progress):
        progress({"what": "half"})
        return [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()]

    nobody = pwd.getpwnam("nobody")
    uid, euid, gid, groups = as_user("nobody", work, seen.append)
    assert (uid, euid, gid) == (nobody.pw_uid, nobody.pw_uid, nobody.pw_gid) and 0 not in groups
    assert {"what": "half"} in seen and os.geteuid() == 0


@needs.root
def test_failures_and_deaths_of_that_process_are_told():
    def fail(_progress):
        raise Failure("no room")

    def trip(_progress):
        open("/etc/shadow", encoding="utf-8").close()

    with pytest.raises(Failure, match="no room"):
        as_user("nobody", fail, print)
    with pytest.raises(Failure, match="Permission denied: '/etc/shadow'"):
        as_user("nobody", trip, print)
    with pytest.raises(Failure, match="ended without an answer"):
        as_user("nobody", lambda _progress: os._exit(9), print)


@needs.root
def test_a_store_that_the_user_may_not_empty_is_refused(old, new, tmp_path):
    """Found before the first change, not in the middle: another installer's store may belong to root."""
    for path in [tmp_path, *list(tmp_path.parents)[:2]]:
        path.chmod(0o755)

    def ask(_progress):
        return judged(old, new, reserve_bytes=0)

    assert "run chown -R ollama %s there" % old.path in as_user("nobody", ask, print)
    old.path.chmod(0o700)
    (old.path / "blobs").chmod(0o700)
    assert "the models are in %s, which user ollama cannot enter" % old.path in as_user("nobody", ask, print)
