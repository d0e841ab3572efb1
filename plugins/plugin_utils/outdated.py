# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a fleet is behind: what its hosts run, against what GitHub and the registry have. Who cannot be asked is replaced by what ships with us."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import OPEN_WEBUI_VERSION
from ansible_collections.llmfleet.ollama.plugins.module_utils.models.local import Local
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.api import OllamaApi, OllamaError
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import BadName, parse_name
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry import RegistryClient
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.registry_address import parse_registry
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.version import version_tuple

from . import releases

REPOSITORIES = {"ollama": "ollama/ollama", "open_webui": "open-webui/open-webui"}
TITLES = {"ollama": "Ollama", "open_webui": "Open WebUI"}
# Before it Ollama writes manifests anew, and its digests are nobody else's.
COMPARABLE = (0, 19)


def look(ollama_url, web_url, client):
    """What the servers of one host say: versions, {model: digests}. Who does not answer is null, and `silent` says so. '' for a server that is not there."""
    found = {"ollama": None, "models": {}, "open_webui": None, "silent": []}
    if ollama_url:
        try:
            api = OllamaApi(ollama_url, timeout=10)
            found["ollama"] = api.version() or None
            local = Local(api)
            local.read()
            # No registry knows the digest of what Ollama has converted.
            found["models"] = {entry["short"]: sorted(entry["digests"]) for entry in local.models.values() if not local.is_converted(entry)}
        except (OllamaError, ValueError) as exc:
            found["silent"].append("Ollama does not answer at %s (%s)" % (ollama_url, exc))
    if web_url:
        try:
            answer = _json(client, web_url + "/api/version")
            found["open_webui"] = str(answer.get("version") or "") or None
        except (OSError, ValueError) as exc:
            found["silent"].append("Open WebUI does not answer at %s (%s)" % (web_url, exc))
    return found


def _json(client, url):
    content = json.loads(client.get(url, urlsplit(url).netloc, "application/json").decode("utf-8"))
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    return content


def latest(github, client):
    """{product: {version, from}}, notes: GitHub's newest releases, else those that ship with this collection."""
    found, notes, known = {}, [], shipped()
    for product, repository in REPOSITORIES.items():
        url = "%s/repos/%s/releases/latest" % (github.rstrip("/"), repository)
        try:
            version = str(_json(client, url).get("tag_name") or "").lstrip("v")
            if not version_tuple(version):
                raise ValueError("it names no release")
            found[product] = {"version": version, "from": url}
        except (OSError, ValueError) as exc:
            found[product] = {"version": known[product], "from": "this collection"}
            notes.append("%s cannot be asked (%s): compared with what this collection knows, %s %s" % (url, exc, TITLES[product], known[product]))
    return found, notes


def offered(names, proxy="", no_proxy=""):
    """{registry: {model: digests, None where it has none or does not say}}, notes. names: {registry: models}; each is asked once, for both generations."""
    found, notes = {}, []
    for address, models in sorted(names.items()):
        registry = parse_registry(address)
        client = RegistryClient(registry, releases.newest(), proxy, no_proxy, lists=True, tries=1)
        found[address] = {}
        silent = ""
        for model in sorted(models):
            lookup = client.manifest(parse_name(model))
            found[address][model] = None
            if lookup.kind == "unreachable":
                silent = lookup.words
            elif lookup.kind == "found":
                other = client.of_other_generation(parse_name(model))
                found[address][model] = sorted(lookup.manifest.identities | (other.identities if other else set()))
        if silent:
            notes.append("%s does not answer (%s): whether tags have moved there is not known" % (registry.host, silent))
    return found, notes


def wanted_ollama(newest):
    """(the release that a fleet should have, why that one) where GitHub's newest is this one."""
    row = releases.row_of(newest)
    if releases.is_too_new(newest):
        return newest, "which this collection does not know yet: look for a newer one of it first"
    if row["version"] == newest and not row["troubles"]:
        return newest, ""
    return releases.default(), "%s has known trouble: %s" % (newest, "; ".join(row["troubles"])) if row["version"] == newest else ""


def compare(seen, newest, registry, pinned=()):
    """What of one host is behind: product (ollama, open_webui, model), what the host has of it, and a sentence. newest: of latest(); registry: {model:
    digests or None}; pinned: models whose digest is fixed."""
    behind = []
    version, why = wanted_ollama(newest["ollama"]["version"])
    if seen["ollama"] and version_tuple(seen["ollama"]) < version_tuple(version):
        text = "Ollama %s, where there is %s%s" % (seen["ollama"], version, " (%s)" % why if why else "")
        behind.append({"product": "ollama", "has": [seen["ollama"]], "text": text})
    if seen["open_webui"] and version_tuple(seen["open_webui"]) < version_tuple(newest["open_webui"]["version"]):
        text = "Open WebUI %s, where there is %s" % (seen["open_webui"], newest["open_webui"]["version"])
        behind.append({"product": "open_webui", "has": [seen["open_webui"]], "text": text})
    if version_tuple(seen["ollama"]) >= COMPARABLE:
        for model, digests in sorted(seen["models"].items()):
            known = registry.get(model)
            if known and model not in pinned and not set(digests) & set(known):
                text = "%s is sha256:%s, and its tag has moved" % (model, digests[0][:12])
                behind.append({"product": "model", "name": model, "has": list(digests), "text": text})
    return behind


def shipped():
    """{product: version} that this collection installs; what is newer it does not know of itself."""
    return {"ollama": releases.default(), "open_webui": OPEN_WEBUI_VERSION}


def by_shipped(versions):
    """What compare() says of versions that were told by the way, where nobody has asked for newer ones. versions: {product: version, '' where unknown}."""
    seen = {"ollama": versions.get("ollama"), "open_webui": versions.get("open_webui"), "models": {}}
    return compare(seen, {product: {"version": version} for product, version in shipped().items()}, {})


def pins(wishes):
    """Names of llm_models that are fixed to a digest."""
    found = set()
    for wish in wishes if isinstance(wishes, (list, tuple)) else []:
        if isinstance(wish, dict) and wish.get("digest") and wish.get("model"):
            try:
                found.add(parse_name(str(wish["model"])).short)
            except BadName:
                continue
    return found


def address(host):
    """An address as a URL has it."""
    return "[%s]" % host if ":" in host and not re.match(r"^\[", host) else host
