# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a decision that is the same on every system: what is refused before anything else, and who decides the rest.

Deleted, a system could be asked and never decided on, or a wish be refused on one of them alone.
"""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.look_schema import SYSTEMS
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import decide
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.contract import Around
from looks import bare

AROUND = Around(host="here", address="here", connection="local")
WISH = {"ollama_version": "0.32.15"}
NTFS = {"install": {"filesystem": "NTFS"}, "store": {"filesystem": "NTFS"}}


def decided(system, look=None, **variables):
    return decide.decide("here", {**WISH, **variables}, look or bare(system, **(NTFS if system == "windows" else {})), AROUND)


def ids(made):
    return [problem.id for problem in made.problems]


def test_every_system_is_decided_on():
    assert sorted(decide.SYSTEMS) == sorted(SYSTEMS)
    assert [question.system for question in decide.questions(WISH, AROUND)] == list(decide.SYSTEMS)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_bare_host_shall_have_it_and_need_not_lose_it(system):
    made = decided(system)
    assert made.problems == [] and made.restart and made.changes[0] == "fetch Ollama 0.32.15"
    assert decided(system, ollama_state="absent").changes == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_without_root_that_alone_is_said(system):
    assert ids(decided(system, {"schema": 1, "system": system, "is_root": False}, ollama_version="latest")) == ["not_root"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_wishes_and_the_machine_are_refused_at_once(system):
    look = bare(system, architecture="riscv64", service_manager="runit" if system == "linux" else "other")
    found = ids(decided(system, look, ollama_version="latest", ollama_port=70000))
    assert found == (["no_systemd"] if system == "linux" else []) + ["architecture", "version_form", "port"]


@pytest.mark.parametrize("system", ["macos", "windows"])
def test_a_path_that_cannot_be_carried_is_not_even_asked_about(system):
    path = {"macos": "/Volumes/a&b", "windows": "D:\\a&b"}[system]
    assert ids(decided(system, ollama_models_dir=path)) == ids(decided(system, ollama_models_dir=path, ollama_state="absent")) == ["path_letters"]
    assert system not in [question.system for question in decide.questions({**WISH, "ollama_models_dir": path}, AROUND)]
