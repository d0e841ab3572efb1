# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts where nobody says otherwise. Documentation and roles, which can name no constant, are held against these by a test."""

from __future__ import annotations

# The release of Ollama that is installed, and that a plan sizes for.
OLLAMA_VERSION = "0.32.15"
# The release of Open WebUI, as role open_webui has it.
OPEN_WEBUI_VERSION = "0.12.4"
PORT = 11434
API_URL = "http://127.0.0.1:%d" % PORT
# Stays free on the disk of a model store: a full disk takes more down than Ollama.
RESERVE_BYTES = 2 << 30
# llama.cpp's --fit-target, which Ollama leaves as it is: stays free on each device. Since Ollama 0.30.0.
FIT_MARGIN_BYTES = 1 << 30

# By ansible_facts.os_family; every other family is a Linux.
_PATHS = {
    "models": ({"Windows": "C:\\ollama\\models", "Darwin": "/opt/ollama/models"}, "/usr/share/ollama/.ollama/models"),
    # A local fact of Ansible where it has such.
    "proofs": ({"Windows": "C:\\ProgramData\\llmfleet.fact"}, "/etc/ansible/facts.d/llmfleet.fact"),
}
PATHS = tuple(_PATHS)


def path_of(what, os_family=""):
    """Where the models or the proofs lie on such a system."""
    others, linux = _PATHS[what]
    return others.get(os_family, linux)
