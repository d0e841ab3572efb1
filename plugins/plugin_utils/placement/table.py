# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plans of all hosts side by side: which model is where and how often, and what the fleet would lose with each host."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.module_utils.bytes import gib, tokens

GAP = "  "


def rows(plans: dict, devices: dict | None = None) -> dict:
    """{models, hosts} of a fleet. plans: the models of each host's plan; devices: what its machine has, where that is known.

    A model has its copies, hosts, other names and tokens a second in all (measured where they were, else estimated); a host has the bytes that its plan
    leaves, what is lost with it, and what has fewer copies then.
    """
    models: dict = {}
    for host, entries in sorted(plans.items()):
        for entry in entries:
            found = models.setdefault(entry["name"], {"name": entry["name"], "aliases": [], "hosts": [], "rates": {}})
            if host in found["hosts"]:
                continue
            found["hosts"].append(host)
            found["rates"][host] = _rate(entry)
            found["aliases"] = sorted({*found["aliases"], *(entry.get("aliases") or ())})
    hosts = [
        {
            "name": host,
            "left_bytes": _left(entries, (devices or {}).get(host)),
            "lost": sorted({entry["name"] for entry in entries if len(models[entry["name"]]["hosts"]) == 1}),
            "fewer": sorted({entry["name"] for entry in entries if len(models[entry["name"]]["hosts"]) > 1}),
        }
        for host, entries in sorted(plans.items())
    ]
    return {"models": [_told(models[name]) for name in sorted(models)], "hosts": hosts}


def _rate(entry):
    known = entry.get("tokens_per_second") or {}
    return known.get("measured") if known.get("measured") is not None else known.get("predicted")


def _told(model: dict) -> dict:
    rates = model.pop("rates")
    known = [rate for rate in rates.values() if rate is not None]
    return {**model, "copies": len(model["hosts"]), "tokens_per_second": round(sum(known), 1) if known else None, "rates": rates}


def _left(entries: list, devices):
    """Bytes that are left on the cards, or in system memory of a host without. What lies on the same cards leaves what the fullest leaves; None where
    nobody knows, as of a host without models whose machine was not looked at, or of a plan that somebody else made."""
    if any(entry.get("headroom_bytes") is None for entry in entries):
        return None
    groups: list = []
    for entry in entries:
        cards, least = {device.get("index") for device in entry.get("devices") or ()}, entry["headroom_bytes"]
        for other in [group for group in groups if group[0] & cards or not group[0] and not cards]:
            groups.remove(other)
            cards, least = cards | other[0], min(least, other[1])
        groups.append((cards, least))
    used = set().union(*(cards for cards, _least in groups))
    there = {number if device.get("index") is None else device["index"]: device.get("memory_usable_bytes") or 0 for number, device in enumerate(devices or ())}
    idle = [size for index, size in there.items() if index not in used]
    if not groups and not idle:
        return None
    if used:
        groups = [group for group in groups if group[0]]
    return sum(least for _cards, least in groups) + (sum(idle) if used or not groups else 0)


def lines(fleet: dict, remembered=()) -> list:
    """The same as people read it. remembered: hosts whose plan is of an earlier run."""
    if not fleet["models"]:
        return []
    by_name = {model["name"]: model for model in fleet["models"]}
    models = [("MODEL", "COPIES", "TOKENS/s", "HOSTS")]
    for model in fleet["models"]:
        also = " (%s)" % ", ".join(name.removesuffix(":latest") for name in model["aliases"]) if model["aliases"] else ""
        rate = "~%s" % tokens(model["tokens_per_second"]) if model["tokens_per_second"] is not None else ""
        models.append((model["name"] + also, str(model["copies"]), rate, ", ".join(model["hosts"])))
    hosts = [("HOST", "LEFT", "WITHOUT IT")]
    for host in fleet["hosts"]:
        left = gib(host["left_bytes"]) if host["left_bytes"] is not None else ""
        without = ["no host has %s" % ", ".join(host["lost"])] if host["lost"] else []
        without += [_fewer(by_name[name], host["name"]) for name in host["fewer"]]
        name = host["name"] + (" (earlier)" if host["name"] in remembered else "")
        hosts.append((name, left, "; ".join(without) or "nothing is lost"))
    return [*_columns(models, right=(1, 2)), "", *_columns(hosts, right=(1,))]


def _fewer(model: dict, host: str) -> str:
    """What is left of a model without one of its hosts."""
    left = model["copies"] - 1
    rate = sum(rate for name, rate in model["rates"].items() if name != host and rate is not None)
    return "%s %d of %d%s" % (model["name"], left, model["copies"], " at ~%s tokens/s" % tokens(rate) if model["tokens_per_second"] is not None else "")


def _columns(cells: list, right: tuple) -> list:
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return [
        GAP.join(cell.rjust(width) if column in right else cell.ljust(width) for column, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in cells
    ]
