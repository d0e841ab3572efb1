# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host may come without the lists of packages, as images of clouds do.

Deleted, a task could ask such a host for a package that it does not know, and the message would name a release or a rule of the firewall.
"""

from __future__ import annotations

import pytest
import yaml
from support import ROOT


def flat(tasks):
    for task in tasks or ():
        yield task
        for part in ("block", "rescue", "always"):
            yield from flat(task.get(part))


# Its package came with HAProxy (install.yml), and it runs again when a certificate ends, on a host that may be without a network by then.
INSTALLED = "tls.yml"
FILES = [path for path in sorted((ROOT / "roles").glob("*/tasks/**/*.yml")) if "ansible.builtin.package:" in path.read_text(encoding="utf-8")]
FILES = [path for path in FILES if path.name != INSTALLED]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "roles")))
def test_lists_are_fetched_before_a_package_is(path):
    tasks = list(flat(yaml.safe_load(path.read_text(encoding="utf-8"))))
    fetched = [number for number, task in enumerate(tasks) if task.get("ansible.builtin.apt", {}).get("update_cache")]
    asked = {number: task["ansible.builtin.package"] for number, task in enumerate(tasks) if "ansible.builtin.package" in task}
    assert asked
    for number, wanted in asked.items():
        assert wanted.get("update_cache") or any(before < number for before in fetched), wanted
