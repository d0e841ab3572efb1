# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of models in the words of an inventory: the same grammar as on the targets, with the variable in the error."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import DEFAULT_HOST, DEFAULT_NAMESPACE, BadName, parse_name

from .errors import BadInput


def parse(text, where="model"):
    try:
        return parse_name(text)
    except BadName as problem:
        raise BadInput("%s: %s" % (where, problem))


def is_library(name):
    return name.host.lower() == DEFAULT_HOST and name.namespace.lower() == DEFAULT_NAMESPACE
