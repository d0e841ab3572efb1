# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory says about one gateway: the role's variables and its keys, and what follows from them alone."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.gateway.runtime import server_name
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.names import BadName, parse_name
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import found, problem
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.address import address_sets, is_address, is_loopback

# Shorter ones can be guessed by trying; what `openssl rand -hex 16` writes has 32.
SHORTEST_KEY = 20
FIELDS = ("name", "key", "models", "requests_per_minute", "expires")
# Of the variables that say where a gateway is, for who asks from another host; defaults/main.yml of the role has the same.
DEFAULTS = {"host": "0.0.0.0", "port": 8443, "tls_certificate": "", "tls_names": [], "accept_plain_http": False, "web_ui": False}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclasses.dataclass(frozen=True)
class Key:
    """digest: of the token, in capitals as HAProxy writes it; models: short names in small letters, none for all; expires: seconds since 1970."""

    name: str
    digest: str
    models: tuple = ()
    requests_per_minute: int = 0
    expires: int = 0


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest().upper()


def read_keys(entries: list) -> tuple:
    """(keys, problems) of gateway_keys. No problem tells a token."""
    keys, problems = [], []
    for number, entry in enumerate(entries):
        wrong = list(_wrong_key("gateway_keys[%d]" % number, entry))
        problems += [problem(identity, "gateway_keys", say) for identity, say in wrong]
        if not wrong:
            keys.append(_key(entry))
    for field, word, way in (("name", "name", "give each its own"), ("digest", "token", "give each its own")):
        values = [getattr(key, field) for key in keys]
        again = sorted({key.name for key in keys if values.count(getattr(key, field)) > 1})
        if again:
            say = "gateway_keys has the same %s more than once (%s); %s." % (word, ", ".join(again), way)
            problems.append(problem("key_twice", "gateway_keys", say))
    return keys, problems


def _wrong_key(where: str, entry):
    if not isinstance(entry, dict):
        yield "key_shape", "%s is no dictionary; write {name: ann, key: ...}." % where
        return
    unknown = sorted(set(map(str, entry)) - set(FIELDS))
    if unknown:
        yield "key_field", "%s has the unknown field %s; it has %s." % (where, ", ".join(unknown), ", ".join(FIELDS))
    if not _NAME.fullmatch(str(entry.get("name") or "")):
        yield "key_name", "%s has no name of letters, digits, dots, dashes and underscores; its name is what the log shows." % where
    token = entry.get("key")
    if not isinstance(token, str) or len(token) < SHORTEST_KEY or not token.isascii() or not token.isprintable() or " " in token:
        yield "key_token", "%s has no key of at least %d characters without blanks; make one by `openssl rand -hex 32`." % (where, SHORTEST_KEY)
    rate = entry.get("requests_per_minute")
    if rate is not None and (isinstance(rate, bool) or not re.fullmatch(r"[1-9]\d{0,8}", str(rate))):
        yield "key_rate", "%s has requests_per_minute %s; write a whole number above 0, or nothing for no limit." % (where, rate)
    if entry.get("expires") is not None and _day(entry["expires"]) is None:
        yield "key_expires", "%s expires on %s; write the last day as 2027-01-31." % (where, entry["expires"])
    models = entry.get("models")
    if models is not None and (not isinstance(models, list) or not models):
        yield "key_models", "%s has models that are no list of names; leave models out for all of them." % where
    for name in models if isinstance(models, list) else []:
        try:
            parse_name(name)
        except BadName as why:
            yield "key_models", "%s: %s." % (where, why)


def _day(value):
    """The end of a day (UTC) in seconds since 1970; YAML makes a date of an unquoted one."""
    text = str(value)
    if not _DAY.fullmatch(text):
        return None
    try:
        day = datetime.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return None
    return int(day.timestamp()) + 24 * 60 * 60


def _key(entry: dict) -> Key:
    return Key(
        name=str(entry["name"]),
        digest=digest_of(entry["key"]),
        models=tuple(parse_name(name).short.lower() for name in entry.get("models") or ()),
        requests_per_minute=int(entry.get("requests_per_minute") or 0),
        expires=_day(entry["expires"]) if entry.get("expires") is not None else 0,
    )


def with_web_uis(keys: list[Key], web_uis: dict) -> list[Key]:
    """The keys of the users and those of the fleet's web UIs, which may have every model. A gateway of no keys asks nobody. No user's key has an @."""
    return [*keys, *(Key("open-webui@%s" % server_name(host), digest.upper()) for host, digest in sorted(web_uis.items()))] if keys else []


def certificate_of(wish: dict) -> str:
    """given by the user, own by the fleet's authority, or none."""
    if wish["tls_certificate"]:
        return "given"
    return "none" if is_loopback(wish["host"]) or wish["accept_plain_http"] else "own"


def wrong_wishes(wish: dict, service_mgr: str) -> list:
    """Problems that show before a host is contacted. wish: the role's variables without their prefix."""
    if wish["state"] == "absent":
        return []
    refused = address_sets(wish["allowed_cidrs"])["refused"]
    bad_ports = [name for name in ("port", "metrics_port") if not 0 < wish[name] < 65536]
    odd_names = [name for name in wish["tls_names"] if not is_address(name) and not _HOST.fullmatch(name)]
    low = [name for name in ("max_connections", "queue_requests", "queue_seconds", "timeout_seconds", "max_body_bytes") if wish[name] < 1]
    return found(
        (
            service_mgr != "systemd",
            "no_systemd",
            "gateway_state",
            "gateway_state is present, but there is no systemd on this host: choose another one for the group gateway.",
        ),
        (
            not is_address(wish["host"]),
            "host",
            "gateway_host",
            'gateway_host is "%s"; write the address to listen on, such as 0.0.0.0, 127.0.0.1 or one of the host.' % wish["host"],
        ),
        (bad_ports, "port", "gateway_%s" % "".join(bad_ports[:1]), "%s is no port; write one from 1 to 65535." % ", ".join("gateway_" + n for n in bad_ports)),
        (
            not bad_ports and wish["port"] == wish["metrics_port"],
            "same_port",
            "gateway_metrics_port",
            "gateway_port and gateway_metrics_port are both %d; give the numbers a port of their own." % wish["port"],
        ),
        (low, "number", "gateway_%s" % "".join(low[:1]), "%s must be at least 1." % ", ".join("gateway_" + name for name in low)),
        (
            wish["max_body_bytes"] > 1 << 28,
            "max_body",
            "gateway_max_body_bytes",
            "gateway_max_body_bytes is %d, and HAProxy holds at most 268435456 bytes (256 MiB) of one request: write less." % wish["max_body_bytes"],
        ),
        (
            refused,
            "allowed_cidrs",
            "gateway_allowed_cidrs",
            "gateway_allowed_cidrs has %s; write addresses or networks such as 10.20.0.0/16 or fd00::/8." % ", ".join(refused),
        ),
        (
            not wish["keys"] and not is_loopback(wish["host"]) and not wish["accept_no_keys"],
            "no_keys",
            "gateway_keys",
            "gateway_keys is empty and gateway_host %s opens the fleet to the network: give each client a key, listen on 127.0.0.1, or set "
            "gateway_accept_no_keys to true if something else asks who comes." % wish["host"],
        ),
        (
            bool(wish["tls_certificate"]) != bool(wish["tls_key"]),
            "half_a_certificate",
            "gateway_tls_key",
            "gateway_tls_certificate and gateway_tls_key belong together: set both or none.",
        ),
        (
            wish["redirect_port"] and (wish["redirect_port"] in (wish["port"], wish["metrics_port"]) or not 0 < wish["redirect_port"] < 65536),
            "redirect_port",
            "gateway_redirect_port",
            "gateway_redirect_port is %d; write a port of its own, or 0 for none." % wish["redirect_port"],
        ),
        (
            wish["redirect_port"] and certificate_of(wish) == "none",
            "nowhere_to_redirect",
            "gateway_redirect_port",
            "gateway_redirect_port sends plain HTTP on to TLS, and this gateway has none: set it to 0, or give the gateway a certificate.",
        ),
        (
            odd_names,
            "tls_names",
            "gateway_tls_names",
            "gateway_tls_names has %s; write names such as hub.example.net, or addresses." % ", ".join(odd_names),
        ),
    )
