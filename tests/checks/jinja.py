# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much Jinja there is, read with Jinja's own lexer and parser.

    .cache/venv/bin/python tests/checks/jinja.py        the figures of this checkout, and the longest expressions with their places

An expression is `{{ … }}` or `{% … %}` with its delimiters, in YAML as in a template, or a bare condition (`when`, `until`, …). YAML's
folding is undone first, so a line break costs what a blank does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jinja2
import yaml
from jinja2 import nodes

ROOT = Path(__file__).resolve().parents[2]
# Their values are expressions without delimiters.
BARE = ("when", "changed_when", "failed_when", "until", "that")
# Nodes by which an expression answers a question instead of naming a value.
DECIDING = (nodes.CondExpr, nodes.If, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Test)
# Filters that do the same: which ones stay, or one of two.
CHOOSING = ("select", "reject", "selectattr", "rejectattr", "ternary")
ENVIRONMENT = jinja2.Environment(autoescape=False, extensions=["jinja2.ext.loopcontrols"])  # what Ansible adds to the syntax


class Expression(NamedTuple):
    """One expression, the file that holds it (from the root of the checkout), and whether it stands in the `vars` of a task."""

    text: str
    path: str
    of_task_vars: bool


class Loader(yaml.SafeLoader):
    """YAML with Ansible's tags; what is `!unsafe` or a secret is no Jinja."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


def spans(text: str) -> Iterator[str]:
    """Each `{{ … }}` and `{% … %}` of a text; comments, raw blocks and what lies between are none."""
    span = ""
    for _line, kind, value in ENVIRONMENT.lex(text):
        if kind in ("variable_begin", "block_begin"):
            span = value
        elif span:
            span += value
            if kind in ("variable_end", "block_end"):
                # `-%}` takes the blanks behind it along.
                yield span.strip()
                span = ""


def _texts(value, bare: bool = False, task: bool = False) -> Iterator[tuple[str, bool]]:
    """(expression, whether it is of a task's vars) for each in a YAML value. A mapping with `vars` and something else is a task or a play."""
    if isinstance(value, str):
        found = list(spans(value))
        yield from ((text, task) for text in found or ([value] if bare else []))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, bare, task)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, name in BARE, task or (name == "vars" and len(value) > 1))


def of_file(path: Path, root: Path) -> Iterator[Expression]:
    """Every expression of a YAML file or a template."""
    name, text = str(path.relative_to(root)), path.read_text(encoding="utf-8")
    if path.suffix == ".j2":
        yield from (Expression(span, name, False) for span in spans(text))
    else:
        for document in yaml.load_all(text, Loader):
            yield from (Expression(span, name, of_task_vars) for span, of_task_vars in _texts(document))


def of_roles(root: Path = ROOT) -> list[Expression]:
    """Tasks, vars, defaults, handlers and templates of every role; meta holds documentation."""
    paths = [path for path in sorted((root / "roles").glob("*/*/**/*")) if path.suffix in (".yml", ".j2") and path.relative_to(root).parts[2] != "meta"]
    return [found for path in paths for found in of_file(path, root)]


def of_playbooks(root: Path = ROOT) -> list[Expression]:
    """site.yml, the playbooks, and the task files and templates beside them."""
    paths = [root / "site.yml", *(path for path in sorted((root / "playbooks").rglob("*")) if path.suffix in (".yml", ".j2"))]
    return [found for path in paths for found in of_file(path, root)]


def _block(text: str) -> str:
    """`set` of `{%- set a = 1 %}`, nothing of `{{ a }}`."""
    return text[2:].lstrip("-+ \n").split(None, 1)[0] if text.startswith("{%") else ""


def decides(text: str) -> bool:
    """Whether an expression compares, tests, chooses or branches. `{% if %}` without its end can't be parsed and needn't be."""
    if _block(text):
        return _block(text) in ("if", "elif", "for")
    tree = ENVIRONMENT.parse(text)
    return any(tree.find_all(DECIDING)) or any(node.name in CHOOSING for node in tree.find_all(nodes.Filter))


def measure(root: Path = ROOT) -> dict[str, int]:
    """The figures that tests/checks/test_jinja.py limits."""
    roles, playbooks = of_roles(root), of_playbooks(root)
    both = roles + playbooks
    return {
        "characters in role ollama": sum(len(found.text) for found in roles if found.path.startswith("roles/ollama/")),
        "characters in all roles": sum(len(found.text) for found in roles),
        "characters in playbooks": sum(len(found.text) for found in playbooks),
        "characters of the longest expression": max((len(found.text) for found in both), default=0),
        "{% set %} blocks": sum(_block(found.text) == "set" for found in both),
        "deciding expressions in the vars of tasks": sum(found.of_task_vars and decides(found.text) for found in both),
    }


def main() -> int:
    for name, value in measure().items():
        print("%7d  %s" % (value, name))
    print()
    for found in sorted(of_roles() + of_playbooks(), key=lambda found: -len(found.text))[:10]:
        print("%7d  %s: %s" % (len(found.text), found.path, " ".join(found.text.split())[:100]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
