# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written twice must say the same: options in Python and in the documentation, questions and their shape on the controller.

Deleted, a question that the decision asks would be refused by the module on the host only, in the middle of a run.
"""

from __future__ import annotations

import dataclasses

import pytest
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring
from ansible_collections.llmfleet.ollama.plugins.action import look
from ansible_collections.llmfleet.ollama.plugins.module_utils.look import host
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import look_schema
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.contract import Question
from support import ROOT


def options(documented):
    plain = {name: {key: value for key, value in entry.items() if key != "description"} for name, entry in documented.items()}
    for entry in plain.values():
        if "suboptions" in entry:
            entry["options"] = options(entry.pop("suboptions"))
    return plain


@pytest.mark.parametrize(("name", "spec"), [("look.py", look.SPEC), ("look_probe.py", host.ARGUMENTS), ("win_look_probe.yml", host.ARGUMENTS)])
def test_options(name, spec):
    documentation = get_docstring(str(ROOT / "plugins/modules" / name), fragment_loader, is_module=True)[0]
    assert options(documentation["options"]) == spec


def test_questions():
    """The module takes what the decision asks, field by field."""
    assert list(host.QUESTION) == [field.name for field in dataclasses.fields(Question)]


def test_schema():
    assert host.SCHEMA == look_schema.SCHEMA and set(host.SYSTEMS.values()) < set(look_schema.SYSTEMS)


def test_manual_names_every_field():
    """docs/facts.md is the only place where a user reads what a field means."""
    manual = (ROOT / "docs/facts.md").read_text(encoding="utf-8")
    fields = {*look_schema.COMMON, *look_schema.WINDOWS, "door"}
    assert [name for name in sorted(fields) if f"`{name}`" not in manual] == []
