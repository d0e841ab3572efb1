# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts that a person may have written (llm_vram_override): numbers as numbers, and a sentence for what cannot be meant, at every level of the schema
that the facts have (module_utils/accelerators/vram.schema.json)."""

from __future__ import annotations

import difflib
import functools
import json
import os
import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.accelerators import apple

from ..errors import BadInput
from . import bandwidth

_UNITS = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_AMOUNT = re.compile(r"^([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*?)(?:/s)?$")
_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_TOLD = frozenset(("schema_version", "totals", "topology", "probes", "duration_ms", "warnings"))  # for people and reports: no plan reads them
_SAME = {"gpu": "devices", "card": "devices", "accelerator": "devices", "ram": "system_memory", "core": "physical_cores", "vram": "memory_total_bytes"}
_SAME.update({"size": "memory_total_bytes", "memory": "memory_total_bytes", "model": "name", "usable": "memory_usable_bytes"})
# At least so much where anything is: less is a number without its unit. Of cards and systems, not of what others hold on them.
_LEAST = dict.fromkeys(("total_bytes", "memory_total_bytes", "memory_usable_bytes", "cgroup_memory_limit_bytes"), 1 << 20)
_LEAST.update(dict.fromkeys(("bandwidth_bytes_per_second", "memory_bandwidth_bytes_per_second"), 10**8))
_DECIDING = frozenset(("vendor", "type"))  # words by which a plan decides, so that a slip of the pen would give another one


@functools.lru_cache(maxsize=1)
def schema():
    """What the facts may have. Read once."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "module_utils", "accelerators", "vram.schema.json")
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def checked(vram):
    """The same facts; raises BadInput with one sentence. Of what a person wrote, which has no number of a schema, each key has to be known, and what
    every machine of its kind has in common need not be written."""
    by_hand = isinstance(vram, dict) and "schema_version" not in vram
    found = _mapping(vram, "llm_vram_override", schema(), by_hand)
    if by_hand:
        system = (found.get("system_memory") or {}).get("total_bytes") or 0
        found["devices"] = [_completed(device, system) for device in found.get("devices") or []]
    return found


def _completed(device, system):
    row = bandwidth.row_of(device.get("name"), device.get("vendor"), device.get("memory_total_bytes"))
    vendor = device.get("vendor") or (row["vendor"] if row else None)
    added = {"vendor": vendor} if vendor and not device.get("vendor") else {}
    if device.get("type") is None and (row or {}).get("integrated"):
        added["type"] = "integrated"
    if device.get("compute_capability") is None and (row or {}).get("capability"):
        added["compute_capability"] = row["capability"]
    if device.get("unified") is None and (vendor == "apple" or (row or {}).get("unified") or "type" in added):
        added["unified"] = True
        if vendor == "amd" and device.get("memory_dedicated_bytes") is None and (device.get("memory_total_bytes") or 0) > system:
            added["memory_dedicated_bytes"] = device["memory_total_bytes"]  # more than the system has is taken out of it
    if device.get("memory_usable_bytes") is None and device.get("memory_total_bytes") is not None:
        total = device["memory_total_bytes"]
        mac = vendor == "apple" and added.get("unified", device.get("unified"))
        added["memory_usable_bytes"] = apple.lent(total) if mac else total
    return {**device, **added}


def _value(given, where, key, node, by_hand):
    if given is None:
        return None
    kind = node.get("type")
    kinds = (kind,) if isinstance(kind, str) else kind or ()
    if "object" in kinds:
        return _mapping(given, where, node, by_hand)
    if "array" in kinds:
        return _list(given, where, node["items"], by_hand)
    if "integer" in kinds:
        return _bytes(given, where, _LEAST.get(key, 0) if by_hand else 0) if key.endswith(("_bytes", "_per_second")) else _number(given, where, int)
    if "number" in kinds:
        return _number(given, where, float)
    if "boolean" in kinds:
        return _flag(given, where)
    return _text(given, where, node["enum"] if key in _DECIDING else ())


def _mapping(given, where, node, by_hand):
    """A copy. Of recorded facts a key is refused only where it looks like one that is read: those of other releases may have more."""
    known = node.get("properties", {})
    if not isinstance(given, dict):
        raise BadInput("%s is no mapping: write keys such as %s below it" % (where, ", ".join([key for key in known if key not in _TOLD][:3])))
    found = {}
    for key, value in given.items():
        if key in _TOLD:
            found[key] = value
        elif key in known:
            found[key] = _value(value, "%s.%s" % (where, key), key, known[key], by_hand)
        else:
            close = difflib.get_close_matches(str(key), known, 1, 0.8)
            if close and (by_hand or close[0] not in given):
                raise BadInput("%s has no '%s': did you mean %s?" % (where, key, close[0]))
            if by_hand and known:
                raise BadInput("%s has no '%s': %s" % (where, key, _instead(str(key), known)))
            found[key] = value
    return found


def _instead(key, known):
    """Of a key that a person made up: the one that means the same, else all."""
    words = set(key.lower().split("_"))
    near = [name for name in known if words <= set(name.split("_"))]
    near += [_SAME[word] for word in (key.lower(), key.lower().rstrip("s")) if _SAME.get(word) in known]
    if near:
        return "did you mean %s?" % near[0]
    return "write some of %s%s" % (
        ", ".join(name for name in known if name not in _TOLD), ", and each card as one of its own" if key in ("count", "number", "amount") else "",
    )


def _list(given, where, node, by_hand):
    if not isinstance(given, (list, tuple)):
        if where.endswith(".devices"):
            example = "- {vendor: nvidia, name: NVIDIA L40S, memory_total_bytes: 48305799168}"
        else:
            example = "- {%s}" % ", ".join("%s: …" % key for key in list(node.get("properties", {"…": 0}))[:2])
        raise BadInput("%s is no list: write '%s' below it" % (where, example))
    return [_value(item, "%s[%d]" % (where, i), "", node, by_hand) for i, item in enumerate(given)]


def _bytes(value, where, least):
    found = _amount(value)
    if found is None or 0 < found < least:
        such_as = "1008000000000, or 1008 GB" if where.endswith("_per_second") else "25769803776, or 24 GiB"
        raise BadInput("%s is '%s': write a number of bytes, such as %s" % (where, value, such_as))
    return found


def _amount(value):
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return value
    amount = _AMOUNT.match(value.strip()) if isinstance(value, str) else None
    if not amount or amount.group(2).lower() not in _UNITS:
        return None
    number, unit = amount.group(1), _UNITS[amount.group(2).lower()]
    return int(float(number) * unit) if "." in number else int(number) * unit


def _number(value, where, kind):
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    try:
        return kind(value.strip()) if isinstance(value, str) else kind(None)
    except (TypeError, ValueError):
        raise BadInput("%s is '%s': write a %snumber, such as 8" % (where, value, "whole " if kind is int else "")) from None


def _flag(value, where):
    if isinstance(value, bool):
        return value
    found = _FLAGS.get(str(value).strip().lower())
    if found is None:
        raise BadInput("%s is '%s': write true or false" % (where, value))
    return found


def _text(value, where, words):
    """Text; a number that YAML made of it is text again. words: those that are known here, of which facts of other releases may have more."""
    if isinstance(value, (dict, list, tuple)):
        raise BadInput("%s is '%s': write one word or name" % (where, value))
    if not words or value in words:
        return value if isinstance(value, str) else str(value)
    lowered = str(value).lower()
    if lowered in words:
        return lowered
    close = difflib.get_close_matches(lowered, words, 1, 0.7)
    if close:
        raise BadInput("%s is '%s': did you mean %s?" % (where, value, close[0]))
    return value
