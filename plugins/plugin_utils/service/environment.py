# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of the server: layers in, texts out, and which of them the release does not read."""

from __future__ import annotations

import re

from ..sizing import data, versions

# What a person writes for a boolean. Ollama itself takes every word that it can't parse for true, "no" too.
TRUE_WORDS = {"1", "t", "true", "y", "yes", "on"}
FALSE_WORDS = {"0", "f", "false", "n", "no", "off", ""}

# What the role itself writes, and the variable that says so.
OWNED = {
    "OLLAMA_HOST": "ollama_host and ollama_port",
    "OLLAMA_MODELS": "ollama_models_dir",
    # The client and the server's own runners speak plain HTTP: with HTTP_PROXY they would go out through the proxy.
    "HTTP_PROXY": "ollama_https_proxy",
    "http_proxy": "ollama_https_proxy",
}
NO_CLOUD = "OLLAMA_NO_CLOUD"
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)$", re.I)
# A password may hold a slash or an at sign that nobody encoded.
_SECRET_VALUE = re.compile(r"://[^?#]+@")


class BadSetting(ValueError):
    """A name or a value that no environment can carry; str() is the sentence."""


def _text(name, value, kind):
    """One value as Ollama will understand it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    if value is None or isinstance(value, dict):
        raise BadSetting("ollama_environment: %s has no value that fits into one line; write a string, a number or a boolean." % name)
    text = str(value)
    if "\n" in text or "\0" in text:
        raise BadSetting("ollama_environment: the value of %s has more than one line; write it in one." % name)
    if kind == "bool":
        word = text.strip().lower()
        if word in TRUE_WORDS:
            return "true"
        if word in FALSE_WORDS:
            return "false"
        raise BadSetting("ollama_environment: %s is a switch, but its value is %r; write true or false." % (name, text))
    return text


def merge(layers):
    """Layers of variables, of which the last wins, as sorted texts. Raises BadSetting."""
    merged = {}
    for layer in layers:
        merged.update(layer)
    kinds = {row["name"]: row.get("type") for row in data.load("environment")["variables"]}
    made = {}
    for name in sorted(merged):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise BadSetting("ollama_environment: %r is not the name of a variable; use letters, digits and underscores." % name)
        made[name] = _text(name, merged[name], kinds.get(name))
    return made


def wanted(wish, bind, system_layer, store_layer=None):
    """What the server gets. system_layer: what the system needs beside it (a HOME). store_layer: what the store suggests; everybody else wins."""
    proxy = {}
    if wish.https_proxy:
        # A mirror in the own network is not behind the proxy.
        mirror = re.sub(r"[:/].*$", "", re.sub(r"^https?://", "", wish.registry))
        names = list(dict.fromkeys(wish.no_proxy + ((mirror,) if mirror else ())))
        proxy = {"HTTPS_PROXY": wish.https_proxy, "NO_PROXY": ",".join(names)}
    # Without it a server calls ollama.com at each start and every few hours, and serves models that run there (server/model_recommendations.go).
    quiet = {} if wish.cloud or NO_CLOUD not in versions.known_variables(versions.parse(wish.version)) else {NO_CLOUD: True}
    own = {"OLLAMA_HOST": bind, "OLLAMA_MODELS": wish.models_dir}
    return merge([quiet, store_layer or {}, wish.plan_environment, proxy, wish.environment, {**own, **system_layer}])


def unread(environment, version):
    """One warning for all variables that this release does not read, or None."""
    unknown = "; ".join("%(name)s: %(why)s" % entry for entry in versions.unknown_variables(environment, version))
    return "Ollama %s does not read what its environment says: %s." % (version, unknown) if unknown else None


def secrets(environment):
    """The variables that neither a log, a diff nor the properties of a unit may show."""
    return {name: value for name, value in environment.items() if _SECRET_NAME.search(name) or _SECRET_VALUE.search(value)}


def has_secrets(environment):
    return bool(secrets(environment))
