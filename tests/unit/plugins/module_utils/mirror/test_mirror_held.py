# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two controllers at one mirror: the second one is refused before its first act.

Deleted, its first look would remove the archive that the first one is downloading, and the blob that its Ollama has just pulled and not named yet.
"""

from __future__ import annotations

import hashlib
from functools import partial

import pytest
from ansible_collections.llmfleet.ollama.plugins.module_utils.change import lock
from ansible_collections.llmfleet.ollama.plugins.module_utils.look import common
from ansible_collections.llmfleet.ollama.plugins.module_utils.mirror import held
from ansible_collections.llmfleet.ollama.plugins.modules.model_mirror_store import work

ANNA = {"token": "a", "who": "anna@desk", "controller": "desk 1", "process": "17", "started": "then"}
BERT = {**ANNA, "token": "b", "who": "bert@laptop"}
BLOB = "ollama/blobs/sha256-" + "a" * 64


@pytest.fixture
def mirror(tmp_path, registry):
    """A mirror in the middle of a run of Anna's: half an archive, its list, and a blob that no manifest names yet."""

    class Mirror:
        path, folder, clock = tmp_path / "mirror", str(tmp_path / "run/lock"), common.clock()
        params = {
            "path": str(tmp_path / "mirror"), "models": [], "registry": registry.url, "exact": False, "verify_all": False, "https_proxy": "", "no_proxy": "",
            "releases": [], "releases_exact": True, "version": "0.32.15",
        }

        def put(self, name, content):
            place = self.path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)

        def there(self):
            return sorted(str(place.relative_to(self.path)) for place in self.path.rglob("*") if place.is_file())

        def run(self, holder, over=""):
            return held.passed(partial(work, self.params, False), holder, over, self.folder, self.clock)

        def holder(self):
            return lock.read(self.folder, self.clock)

    return Mirror()


def test_the_second_one_is_refused_before_its_first_act(mirror):
    for name in ("releases/v0.32.15/tmpabc", "releases/v0.32.15/headers", BLOB):
        mirror.put(name, b"half")
    lock.take(mirror.folder, {**ANNA, "doing": "the model mirror (releases)"}, mirror.clock)
    before = mirror.there()
    with pytest.raises(lock.Held) as refused:
        mirror.run(BERT)
    assert "anna@desk changes this host (the model mirror (releases)) since" in lock.words(refused.value.holder) and mirror.there() == before
    assert mirror.holder()["token"] == "a", "and the first one still has it"
    mirror.run(BERT, over="a")
    assert mirror.there() == [] and mirror.holder() is None, "from one that is known to be gone it takes over"


def test_who_has_the_mirror_acts_and_keeps_it(mirror):
    mirror.put(BLOB, b"unneeded")
    lock.take(mirror.folder, {**ANNA, "doing": "the model mirror (models)"}, mirror.clock)
    mirror.run(ANNA)
    assert mirror.there() == [] and (mirror.holder()["depth"], mirror.holder()["doing"]) == (1, "the model mirror (models)")


ARCHIVE, CONTENT = "ollama-linux-amd64.tar.zst", b"good"


def test_a_look_takes_nothing_and_is_let_in(mirror):
    mirror.params["releases"] = [{"version": "0.32.15", "archives": [ARCHIVE], "base_url": "https://x", "checksum": ""}]
    mirror.put("releases/v0.32.15/" + ARCHIVE, CONTENT)
    mirror.put("releases/v0.32.15/sha256sum.txt", ("%s  ./%s\n" % (hashlib.sha256(CONTENT).hexdigest(), ARCHIVE)).encode())
    _store, releases = mirror.run(BERT)
    assert releases.published == ["v0.32.15/" + ARCHIVE] and mirror.holder() is None, "it was taken for that, and let go"
    lock.take(mirror.folder, {**ANNA, "doing": "x"}, mirror.clock)
    _store, releases = mirror.run(BERT)
    assert not releases.changed and releases.result()["served"] == ["v0.32.15/" + ARCHIVE]
