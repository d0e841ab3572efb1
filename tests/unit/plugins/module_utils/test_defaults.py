# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One default has one home; what cannot import it is held against it here.

Deleted, a new default release could be planned for and another one installed, and a page could name a path that nobody uses.
"""

from __future__ import annotations

import json
import re

import pytest
import yaml
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring
from ansible_collections.llmfleet.ollama.plugins.module_utils import defaults
from support import ROOT

# How the inventory of a role or an option of a module or filter is called, and what it means.
MEANS = {
    "ollama_version": defaults.OLLAMA_VERSION,
    "model_mirror_ollama_version": defaults.OLLAMA_VERSION,
    "open_webui_version": defaults.OPEN_WEBUI_VERSION,
    "ollama_port": defaults.PORT,
    "api_url": defaults.API_URL,
    "reserve_bytes": defaults.RESERVE_BYTES,
    "ollama_models_reserve_bytes": defaults.RESERVE_BYTES,
    "model_mirror_reserve_bytes": defaults.RESERVE_BYTES,
    "fit_margin_bytes": defaults.FIT_MARGIN_BYTES,
    "proofs_path": defaults.path_of("proofs"),
}


def documented():
    """(file, option, default) of every option of a role, a module and a filter whose default is one of ours."""
    for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        for name, option in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"].items():
            yield path, name, option
    for path in sorted(ROOT.glob("plugins/modules/*.py")):
        for name, option in get_docstring(str(path), fragment_loader, is_module=True)[0].get("options", {}).items():
            yield path, name, option
    for path in sorted(ROOT.glob("plugins/filter/*.yml")):
        for name, option in yaml.safe_load(path.read_text(encoding="utf-8"))["DOCUMENTATION"]["options"].items():
            yield path, name, option


FOUND = [(path.relative_to(ROOT), name, option["default"]) for path, name, option in documented() if name in MEANS and "default" in option]


def test_the_defaults_are_found():
    assert {name for _path, name, _default in FOUND} >= set(MEANS) - {"model_mirror_ollama_version"} and len(FOUND) > 8


@pytest.mark.parametrize(("path", "name", "default"), FOUND, ids=str)
def test_documentation(path, name, default):
    assert default == MEANS[name]


@pytest.mark.parametrize("path", sorted(ROOT.glob("roles/*/defaults/main.yml")), ids=lambda path: path.parts[-3])
def test_roles(path):
    """A literal that a role states as its default, or falls back on where another role's variable is absent."""
    for name, value in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        for stated, fallback in re.findall(r"(\w+) \| default\('?([^'()|]+)'?\)", str(value)):
            assert stated not in MEANS or fallback.strip() == str(MEANS[stated]), name
        if name in MEANS and "{{" not in str(value):
            assert value == MEANS[name], name


def test_no_default_is_written_a_second_time():
    """In code it is imported; a fallback in a playbook is none of the role's."""
    numbers = r"0\.32\.15|\(0, 32, 15\)|\b2147483648\b|\b1073741824\b|[\\/]llmfleet\.fact|/usr/share/ollama/\.ollama/models"
    for path in [*ROOT.glob("plugins/**/*.py"), *ROOT.glob("playbooks/**/*.yml")]:
        text = path.read_text(encoding="utf-8")
        code = re.sub(r'r?"""[\s\S]*?"""|^#.*$', "", text, flags=re.MULTILINE)
        assert path.name == "defaults.py" or re.findall(numbers, code) == [], path


def test_pages():
    """The paths and the release that people are told to look for."""
    pages = {path.name: path.read_text(encoding="utf-8") for path in ROOT.glob("docs/*.md")}
    for family, page in (("Windows", "windows.md"), ("Darwin", "macos.md")):
        for what in defaults.PATHS:
            assert "`%s`" % defaults.path_of(what, family) in pages[page], (page, what)
    assert "`%s`" % defaults.path_of("proofs") in pages["models.md"]
    assert "Ollama %s (the default)" % defaults.OLLAMA_VERSION in (ROOT / "README.md").read_text(encoding="utf-8")
    text = json.dumps(yaml.safe_load((ROOT / "roles/ollama/meta/argument_specs.yml").read_text(encoding="utf-8")))
    for family in ("", "Windows", "Darwin"):
        assert "C(%s)" % json.dumps(defaults.path_of("models", family)).strip('"') in text, family
