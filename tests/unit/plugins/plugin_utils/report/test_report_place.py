# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which folder the report of an inventory has.

Without these tests two inventories could share a folder, so that a run over one of them takes the other's rows away, or one inventory could
have a second folder and lose its history because it was named in another way.
"""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report import place


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    folder = tmp_path / "checkout"
    for path in ("inventories/mine/hosts.yml", "inventories/two/hosts.yml", "inventories/two/inventory.yml", "prod.yml", "sites/v1.example.com/hosts"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("")
    (folder / "inventories/mine/group_vars").mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("sources", "name"),
    [
        (["inventories/mine"], "mine"),
        (["inventories/mine/"], "mine"),
        (["inventories/mine/hosts.yml"], "mine"),
        (["inventories/two/hosts.yml"], "hosts"),
        (["inventories/two/inventory.yml"], "inventory"),
        (["prod.yml"], "prod"),
        (["sites/v1.example.com"], "v1.example.com"),
        (["sites/v1.example.com/hosts"], "v1.example.com"),
        (["aws_ec2.yml"], "aws_ec2"),
        (["inventories/mine", "prod.yml"], "mine+prod"),
        (["10.0.0.7,"], "10.0.0.7"),
        (["a, b,"], "a-b"),
        (["inventories/my fleet; rm -rf/"], "my-fleet-rm-rf"),
        (["../.."], None),
        ([".."], None),
        ([], "inventory"),
        (["{inventory}"], "inventory"),
    ],
)
def test_an_inventory_is_called_as_its_folder_or_file_is(sources, name):
    """A name with a slash or two dots would write outside of reports/; one that says 'hosts' for each inventory would say nothing."""
    told = place.name_of(sources)
    assert told == name or (name is None and "/" not in told and not told.startswith("."))


def test_a_long_list_of_hosts_still_is_a_name_of_a_folder_and_its_own():
    """A folder's name has 255 bytes at most; cut alone, two long lists would share a folder."""
    one, other = (",".join([*(f"host-{number}.example.net" for number in range(40)), last]) for last in ("a", "b"))
    names = {place.name_of([one]), place.name_of([other])}
    assert len(names) == 2 and all(len(name) <= place.LONGEST for name in names)


def test_the_same_inventory_under_another_spelling_is_the_same(checkout):
    """Otherwise its history would be lost, or it would get a second folder."""
    for source in ("inventories/mine", f"{checkout}/inventories/mine/", "inventories/mine/hosts.yml"):
        assert place.identity_of([source], str(checkout / "reports")) == ["../inventories/mine"]
    assert place.identity_of(["inventories/two/hosts.yml"], "reports") != place.identity_of(["inventories/two/inventory.yml"], "reports")


def test_a_moved_checkout_keeps_its_reports(checkout, monkeypatch):
    """The identity lies in fleet.json: an absolute path there would cost the history, and tell others where one's home is."""
    before = place.identity_of(["inventories/mine"], place.root_of("reports/{inventory}"))
    moved = checkout.rename(checkout.with_name("moved"))
    monkeypatch.chdir(moved)
    assert place.identity_of(["inventories/mine"], place.root_of("reports/{inventory}")) == before


def test_an_absolute_folder_does_not_depend_on_where_one_stands(checkout, monkeypatch):
    """A run by cron stands elsewhere than one by hand, and is one of the same inventory."""
    told = place.identity_of(["inventories/mine"], place.root_of("/srv/reports/{inventory}"))
    monkeypatch.chdir("/")
    assert place.identity_of([str(checkout / "inventories/mine")], place.root_of("/srv/reports/{inventory}")) == told


def test_who_was_there_first_keeps_the_folder_and_the_other_keeps_its_own():
    """Were the second one moved into the plain folder when that is deleted, its history would lie in the marked one."""
    owners = {}

    def asked(identity):
        folder = place.folder_of("reports/{inventory}", "mine", identity, owners.get)
        owners.setdefault(folder, identity)
        return folder

    assert asked(["../a/mine"]) == "reports/mine"
    marked = asked(["../b/mine"])
    assert marked.startswith("reports/mine-") and asked(["../a/mine"]) == "reports/mine" and asked(["../b/mine"]) == marked
    del owners["reports/mine"]
    assert asked(["../b/mine"]) == marked


def test_a_folder_that_names_no_inventory_is_used_as_it_stands():
    assert place.folder_of("elsewhere/deep", "mine", ["x"], lambda folder: ["y"]) == "elsewhere/deep"
    assert place.folder_of("", "mine", ["x"], lambda folder: None) == ""
