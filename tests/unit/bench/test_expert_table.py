# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of docs/sizing.md, for the machines and wishes of expert_cases.yml."""

from __future__ import annotations

import sys

import pytest
from support import ROOT

sys.path.append(str(ROOT / "bench"))
import expert_table  # noqa: E402


def test_the_page_has_a_row_for_each_wish():
    """A machine or a wish added to the cases and not to the page would be judged by nobody."""
    text = (ROOT / "docs" / "sizing.md").read_text()
    shown = text.split(expert_table.BEGIN, 1)[1].split(expert_table.END, 1)[0].strip().splitlines()[2:]
    assert [line.split(" | ")[1] for line in shown] == [wish for _name, _machine, wish, _want in expert_table.cases()]


def test_the_page_shows_what_the_plan_chooses():
    """A choice that changed would go unseen: whoever changes it writes the table anew (python bench/expert_table.py --write) and reads every row."""
    text = (ROOT / "docs" / "sizing.md").read_text()
    shown = text.split(expert_table.BEGIN, 1)[1].split(expert_table.END, 1)[0].strip().splitlines()
    assert shown == expert_table.table().splitlines()


def test_the_families_are_all_shown():
    """Who looks for a model must not take one for missing that can be had."""
    assert expert_table.families() in (ROOT / "docs" / "models.md").read_text()


def test_enough_machines_and_wishes_are_asked():
    """A table of the easy ones would prove little: laptops, unequal cards, Macs, unified memory and hosts without a GPU are in it."""
    asked = expert_table.cases()
    assert len(asked) >= 150 and len({name for name, *_rest in asked}) >= 40
    assert {len(machine["cards"]) for _name, machine, _wish, _want in asked} == {0, 1, 2}
    assert {sum(count[0] if count else 1 for _name, _total, _usable, *count in machine["cards"]) for _name, machine, *_rest in asked} == {0, 1, 2, 3, 4, 8}


def test_a_page_without_the_marks_is_not_written():
    """A table put somewhere else would stand twice in the page."""
    with pytest.raises(ValueError, match="not enough values"):
        expert_table.page("no mark here", "| a |")
    made = expert_table.page("before %s old %s after" % (expert_table.BEGIN, expert_table.END), "| a |")
    assert made == "before %s\n| a |\n%s after" % (expert_table.BEGIN, expert_table.END)
