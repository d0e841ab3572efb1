# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles act, they don't decide: what decides is Python, where it has a debugger, types and tests that need no host.

Deleted, programs would grow in YAML again, one expression at a time, as the first 54,000 characters of role ollama did.
"""

from __future__ import annotations

from typing import NamedTuple

import jinja
import pytest


class Limit(NamedTuple):
    """`aim` is where the figure shall come to; `now` is what it may not exceed, and follows the figure down."""

    aim: int
    now: int


# Playbooks are counted so that nothing is moved into them to make a role look smaller; they have no aim of their own but not to grow.
LIMITS = {
    "characters in role ollama": Limit(14000, 14000),
    # Role gateway came with 1,200: it installs, writes, signs and reloads; what it does is decided in Python.
    "characters in all roles": Limit(30000, 30000),
    "characters in playbooks": Limit(0, 7400),
    "characters of the longest expression": Limit(200, 200),
    "{% set %} blocks": Limit(0, 0),
    "deciding expressions in the vars of tasks": Limit(0, 0),
}
# A figure that is lower than this share of `now` has earned a lower `now`; without it what was won could be lost again in silence.
WELL_BELOW = 0.97


# Jinja's parser reads a regular expression's backslashes as Python did; Ansible doubles them first.
pytestmark = pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")


@pytest.fixture(scope="module")
def measured():
    return jinja.measure()


@pytest.mark.parametrize("name", LIMITS)
def test_jinja_only_shrinks(name, measured):
    """`.cache/venv/bin/python tests/checks/jinja.py` prints the figures and where the longest expressions are."""
    figure, limit = measured[name], LIMITS[name]
    assert figure <= limit.now, "%s: %d, more than %d; decide it in plugins/plugin_utils instead" % (name, figure, limit.now)
    lowest = max(figure, limit.aim)
    assert lowest >= limit.now * WELL_BELOW, "%s: %d; write %d as `now` in LIMITS, so that it stays so" % (name, figure, lowest)


def test_every_figure_is_limited(measured):
    """A new figure without a line in the table would be measured for nobody."""
    assert set(measured) == set(LIMITS)


ROLE = """
- name: Act
  ansible.builtin.debug:
    msg: "{{ word }} and {{ 'a }} in a text' }}"
  when: word is defined and 'x' in word
  vars:
    word: "{{ one if two else three }}"
    name: "{{ other }}"
    some: "{{ all | selectattr('good') }}"
  block:
    - ansible.builtin.assert:
        that:
          - word == 'x'
"""
# Each expression above, as long as it is written.
LENGTHS = {"{{ word }}": 10, "{{ 'a }} in a text' }}": 22, "word is defined and 'x' in word": 31, "{{ one if two else three }}": 27, "{{ other }}": 11,
           "{{ all | selectattr('good') }}": 30, "word == 'x'": 11}  # fmt: skip


def test_the_measure(tmp_path):
    """A measure that overlooks conditions, templates, task files in folders or ends of texts would stay green whatever is added."""
    for name, text in {
        "roles/ollama/tasks/linux/act.yml": ROLE,
        "roles/ollama/meta/argument_specs.yml": "description: '{{ documentation }}'",
        "roles/other/templates/x.j2": "{# a comment #}{%- set a = 1 -%}\n\n{{ a }}{% raw %}{{ raw }}{% endraw %}",
        "roles/other/vars/main.yml": "a: !unsafe '{{ no Jinja }}'\nb: {vars: '{{ a if b }}'}",
        "site.yml": "[{hosts: all, vars: {a: '{{ b or c }}'}}]",
        "playbooks/tasks/more.yml": "- when: true\n- when: [a]",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert {name: len(name) for name in LENGTHS} == LENGTHS
    assert jinja.measure(tmp_path) == {
        "characters in role ollama": sum(LENGTHS.values()),
        "characters in all roles": sum(LENGTHS.values()) + len("{%- set a = 1 -%}") + len("{{ a }}") + len("{{ a if b }}"),
        "characters in playbooks": len("{{ b or c }}") + len("a"),
        "characters of the longest expression": 31,
        "{% set %} blocks": 1,
        "deciding expressions in the vars of tasks": 3,
    }
