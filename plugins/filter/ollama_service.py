# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role ollama needs to know about addresses and about Ollama's environment, and Jinja can't say well."""

from __future__ import annotations

import ipaddress
import re

from ansible.errors import AnsibleFilterError

# What a person writes for a boolean. Ollama itself takes every word that it can't parse for true, "no" too.
TRUE_WORDS = {"1", "t", "true", "y", "yes", "on"}
FALSE_WORDS = {"0", "f", "false", "n", "no", "off", ""}


def address_sets(addresses):
    """Split addresses and networks by family, without what a wider one of them holds already."""
    networks, refused = {4: [], 6: []}, []
    for entry in addresses:
        try:
            network = ipaddress.ip_network(str(entry).strip(), strict=False)
        except ValueError:
            refused.append(str(entry))
        else:
            networks[network.version].append(network)
    texts = {}
    for family, found in networks.items():
        whole = ipaddress.collapse_addresses(found)
        texts[family] = [str(n.network_address) if n.num_addresses == 1 else str(n) for n in whole]
    return {"ipv4": texts[4], "ipv6": texts[6], "refused": refused}


def _version_key(version):
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[-+]", str(version))[0]))


def _known(entry, version):
    key = _version_key(version)
    if "since" in entry and key < _version_key(entry["since"]):
        return False
    return not ("until" in entry and key >= _version_key(entry["until"]))


def _text(name, value, kind):
    """One value as Ollama will understand it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    if value is None or isinstance(value, dict):
        raise AnsibleFilterError(f"ollama_environment: {name} has no value that fits into one line; write a string, a number or a boolean.")
    text = str(value)
    if "\n" in text or "\0" in text:
        raise AnsibleFilterError(f"ollama_environment: the value of {name} has more than one line; write it in one.")
    if kind == "bool":
        word = text.strip().lower()
        if word in TRUE_WORDS:
            return "true"
        if word in FALSE_WORDS:
            return "false"
        raise AnsibleFilterError(f"ollama_environment: {name} is a switch, but its value is {text!r}; write true or false.")
    return text


def ollama_environment(layers, version, catalogue):
    """Merge layers of variables (the last wins) into strings, and list those that the version does not know."""
    merged = {}
    for layer in layers:
        merged.update(layer)
    variables = {entry["name"]: entry for entry in catalogue["variables"]}
    environment, unknown = {}, []
    for name in sorted(merged):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise AnsibleFilterError(f"ollama_environment: {name!r} is not the name of a variable; use letters, digits and underscores.")
        entry = variables.get(name, {})
        environment[name] = _text(name, merged[name], entry.get("type"))
        if name.startswith("OLLAMA_") and not (entry and _known(entry, version)):
            unknown.append({"name": name, "why": catalogue.get("myths", {}).get(name, f"Ollama {version} does not read it")})
    return {"environment": environment, "unknown": unknown}


class FilterModule:
    def filters(self):
        return {"address_sets": address_sets, "ollama_environment": ollama_environment}
