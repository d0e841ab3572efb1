# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs planned for hosts that take no part in this one: the report of the inventory remembers it."""

from __future__ import annotations

import os

from ansible import context
from ansible.plugins.loader import callback_loader
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report import document, files, place


def plans() -> dict:
    """{host: the models of its last plan} by the report of this run's inventory; empty where there is none."""
    report = callback_loader.get("llmfleet.ollama.fleet_report")
    if report is None:
        return {}
    report.set_options()
    return read(report.get_option("folder") or "", list(context.CLIARGS.get("inventory") or []))


def read(pattern: str, sources: list) -> dict:
    if not pattern:
        return {}
    identity = place.identity_of(sources, place.root_of(pattern))
    folder = place.folder_of(pattern, place.name_of(sources), identity, lambda found: document.inventory_of(_report(found)))
    report = _report(folder)
    if document.inventory_of(report) != identity:
        return {}
    return {row["name"]: (row.get("plan") or {}).get("models") or [] for row in report.get("hosts") or [] if row.get("name")}


def _report(folder: str):
    return files.read_json(os.path.join(folder, "fleet.json"))
