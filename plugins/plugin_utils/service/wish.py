# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory wants of a host's Ollama: read with its types, and refused where it cannot work."""

from __future__ import annotations

import dataclasses
import re

from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import OLLAMA_VERSION, path_of
from ansible_collections.llmfleet.ollama.plugins.module_utils.ollama.version import version_tuple

from .. import places, releases
from . import address, drivers, release
from .contract import ASKERS, GATEWAY, Problem, Wish
from .environment import FALSE_WORDS, OWNED, TRUE_WORDS

FLOOR = (0, 23, 3)
_VERSION = re.compile(r"\d+\.\d+\.\d+([-+][0-9A-Za-z.-]+)?$")
_CHECKSUM = re.compile(r"list$|sha256:([0-9a-fA-F]{64}|(https?|ftp|file)://.+)$")

# What differs between systems where the inventory says nothing.
PLACES = {
    "linux": {"install_dir": "/opt/ollama", "models_dir": path_of("models"), "user": "ollama"},
    "macos": {"install_dir": "/opt/ollama", "models_dir": path_of("models", "Darwin"), "user": "_ollama"},
    "windows": {"install_dir": "C:\\ollama", "models_dir": path_of("models", "Windows"), "user": "LOCAL SERVICE"},
}
_PLACED = ("install_dir", "models_dir", "user", "group")
CHOICES = {"state": ("present", "absent"), "firewall": ("managed", "none")}
# They may hold passwords, which no message shows.
_SECRETIVE = ("environment", "plan_environment", "https_proxy", "service_options")
_OUTSIDE = {"registry": "llm_registry"}


class Wrong(ValueError):
    """A value of a type that nobody could mean; str() is what to write."""


def _bool(value):
    word = str(value).strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise Wrong("true or false")


def _whole(value):
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value).strip()):
        raise Wrong("a whole number")
    return int(value)


def _text(value):
    if isinstance(value, (dict, list, tuple)):
        raise Wrong("one text")
    return "" if value is None else str(value)


def texts(value):
    """A list of texts, also from one text with commas between them."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")] if value.strip() else []
    if not isinstance(value, (list, tuple)) or any(isinstance(entry, (dict, list, tuple)) or entry is None for entry in value):
        raise Wrong("a list of texts")
    return tuple(str(entry) for entry in value)


def _dict(value):
    if not isinstance(value, dict):
        raise Wrong("names with values")
    return {str(name): entry for name, entry in value.items()}


def _move(value):
    if str(value).strip().lower() == "leave":
        return "leave"
    return "move" if _bool(value) else "refuse"


_KINDS = {
    "purge": _bool, "accept_vulnerable_version": _bool, "accept_untested_version": _bool, "cloud": _bool, "accept_plain_http": _bool,
    "accept_open_port": _bool, "admit_controller": _bool,
    "models_move": _move, "port": _whole, "wait_seconds": _whole, "allowed_cidrs": texts, "direct_cidrs": texts,
    "allowed_groups": texts, "no_proxy": texts, "accelerators": texts,
    "environment": _dict, "plan_environment": _dict, "service_options": _dict,
}
NAMES = tuple(field.name for field in dataclasses.fields(Wish))


def variable(name):
    """The public variable of a field of Wish."""
    return _OUTSIDE.get(name, "ollama_" + name)


def read(variables, system):
    """(Wish, problems) of public variables; what is missing or null, or an empty place, has its default. Without a Wish there are problems."""
    values, problems = dict(PLACES[system]), []
    for name in NAMES:
        given = variables.get(variable(name))
        if given is None or (given == "" and name in _PLACED):
            continue
        try:
            values[name] = _KINDS.get(name, _text)(given)
        except Wrong as wanted:
            problems.append(_refused(name, given, str(wanted)))
            continue
        if name in CHOICES and values[name] not in CHOICES[name]:
            problems.append(_refused(name, given, " or ".join(CHOICES[name])))
    if "version" not in values and not problems:
        problems.append(Problem("type", "ollama_version", "ollama_version is not set; write a release such as %s." % OLLAMA_VERSION))
    if problems:
        return None, problems
    values.setdefault("group", values["user"])
    return Wish(**values), []


def _refused(name, given, wanted):
    if name == "port":
        return Problem("port", "ollama_port", "ollama_port is %s; write a port from 1 to 65535." % (given,))
    shown = repr(given) if isinstance(given, (dict, list, tuple)) else '"%s"' % given
    if name in _SECRETIVE:
        shown = "something else"
    return Problem("type", variable(name), "%s is %s; write %s." % (variable(name), shown, wanted))


def numbers(version):
    """(0, 32, 15) of a well-formed release, pre-releases and vendors' builds included; None of another text."""
    return version_tuple(version) if _VERSION.match(version) else None


def platform_problems(look):
    """What the machine itself cannot do, whatever is wanted."""
    found = []
    if look["system"] == "linux" and look["service_manager"] != "systemd":
        found.append(Problem("no_systemd", "", _no_systemd(look["kernel"], look["service_manager"])))
    if release.architecture(look["architecture"]) is None:
        found.append(Problem(
            "architecture", "", "Ollama has no release for the architecture %s; take this host out of the group ollama." % look["architecture"],
        ))
    return found


def _no_systemd(kernel, manager):
    if "Microsoft" in kernel:
        return "This is WSL 1, which cannot run Ollama; convert it with wsl --set-version <distribution> 2 and set systemd=true in /etc/wsl.conf."
    if "microsoft" in kernel:
        return "This WSL distribution runs without systemd; write systemd=true below [boot] in /etc/wsl.conf and restart it with wsl --shutdown."
    return (
        "The service needs systemd, but this host is run by %s; take it out of the group ollama or give it a distribution with systemd."
        % (manager or "something else")
    )


def problems(wish, around):
    """What can be said against the variables alone: one sentence each, with the variable and the way out, in the order of ollama's documentation."""
    checks = (_version, _proxy, _host, _models_dir, _shared, _port, _open_port, _cidrs, _groups, _checksum, _owned, _drivers)
    return [problem for check in checks for problem in check(wish, around)]


def warnings(wish, around):
    """What works, and not as one would think."""
    version = numbers(wish.version)
    if not version:
        return []
    return releases.warnings("ollama_version", wish.version) + drivers.old_drivers(around.devices, version, wish.version, wish.accelerators)["warning"]


def _version(wish, _around):
    version = numbers(wish.version)
    if version is None:
        yield Problem(
            "version_form", "ollama_version",
            'ollama_version is "%s"; write a release such as %s, without a leading v and not "latest".' % (wish.version, OLLAMA_VERSION),
        )
        return
    if version < FLOOR and not wish.accept_vulnerable_version:
        yield Problem(
            "version_vulnerable", "ollama_version",
            "ollama_version %s is below %s, the oldest release without known security holes; raise it, or set ollama_accept_vulnerable_version to true."
            % (wish.version, _dotted(FLOOR)),
        )
    if releases.is_too_new(wish.version) and not wish.accept_untested_version:
        yield Problem("version_untested", "ollama_version", releases.refusal("ollama_version", wish.version))
    if version < release.OLDEST_ARCHIVE:
        yield Problem(
            "version_no_archive", "ollama_version",
            "ollama_version %s was never released as an archive; the oldest that this role installs is %s." % (wish.version, _dotted(release.OLDEST_ARCHIVE)),
        )


def _proxy(wish, _around):
    # A registry in the own network is not behind the proxy.
    if wish.https_proxy and not wish.registry and numbers(wish.version) and not releases.row_of(wish.version)["pulls_through_proxy"]:
        yield Problem("proxy_pulls", "ollama_https_proxy", releases.proxy_refusal(wish.version))


def _dotted(version):
    return ".".join(map(str, version))


def _host(wish, _around):
    if "://" in wish.host:
        yield Problem(
            "host_scheme", "ollama_host",
            'ollama_host is "%s"; write the address alone, without scheme (http:// would mean port 80), and the port in ollama_port.' % wish.host,
        )
    elif not address.is_address(wish.host):
        yield Problem(
            "host_form", "ollama_host",
            'ollama_host is "%s"; write an IP address of this host, 127.0.0.1, 0.0.0.0 or ::, and the port in ollama_port.' % wish.host,
        )


def _models_dir(wish, _around):
    if not re.match(r"(/|[A-Za-z]:)", wish.models_dir):
        yield Problem("models_dir_relative", "ollama_models_dir", 'ollama_models_dir is "%s"; write an absolute path.' % wish.models_dir)


def _shared(wish, _around):
    for name in ("install_dir", "models_dir"):
        path = getattr(wish, name)
        if places.is_shared(path):
            like = re.split(r"[/\\]", path)[0] + "\\ollama" if re.match("[A-Za-z]:", path) else path.rstrip("/") + "/ollama"
            yield Problem(name + "_shared", variable(name), places.refusal(variable(name), path, PLACES["linux"][name] if ".." in path else like))


def _port(wish, _around):
    if not 0 < wish.port < 65536:
        yield _refused("port", wish.port, "")


def _open_port(wish, _around):
    if not address.is_loopback(wish.host) and wish.firewall != "managed" and not wish.accept_open_port:
        yield Problem(
            "open_port", "ollama_firewall",
            "ollama_host %s opens an unauthenticated server to the network and ollama_firewall is none; set ollama_firewall to managed, ollama_host to "
            "127.0.0.1, or ollama_accept_open_port to true if something else guards the port." % wish.host,
        )


def _cidrs(wish, around):
    for name in ("allowed_cidrs", "direct_cidrs"):
        refused = address.address_sets(getattr(wish, name))["refused"]
        if refused:
            yield Problem(
                name, variable(name), "%s has %s; write addresses or networks such as 10.20.0.0/16 or fd00::/8." % (variable(name), ", ".join(refused))
            )
    name = address.networks_of(around)
    everybody = address.everybody(getattr(wish, name))
    if everybody and address.guarded(wish) and not wish.accept_open_port:
        yield Problem(
            "everybody_admitted", variable(name),
            "%s admits everybody (%s) to a server without authentication; write the networks of your users, or set "
            "ollama_accept_open_port to true if that is meant." % (variable(name), ", ".join(everybody)),
        )


def _groups(wish, around):
    # A fleet without a web UI or a gateway need not say so.
    unknown = [group for group in dict.fromkeys(wish.allowed_groups) if group not in around.groups and group not in ASKERS]
    if unknown:
        yield Problem(
            "allowed_groups", "ollama_allowed_groups",
            "ollama_allowed_groups names %s, which the inventory does not have; write groups of the inventory." % ", ".join(unknown),
        )
    shut_out = [group for group in dict.fromkeys(wish.allowed_groups) if group in around.groups and group not in ASKERS]
    if shut_out and around.groups.get(GATEWAY) and address.guarded(wish):
        yield Problem(
            "groups_beside_gateway", "ollama_allowed_groups",
            "ollama_allowed_groups names %s, whose hosts come to the gateway in a fleet that has one; take that out, and write the addresses of those that "
            "need Ollama itself in ollama_direct_cidrs." % ", ".join(shut_out),
        )


def _checksum(wish, _around):
    if wish.download_checksum and not _CHECKSUM.match(wish.download_checksum):
        yield Problem(
            "download_checksum", "ollama_download_checksum",
            'ollama_download_checksum is "%s"; write sha256:<64 hex digits>, sha256:<URL>, list, or nothing.' % wish.download_checksum,
        )


def _owned(wish, _around):
    owned = [name for name in wish.environment if name in OWNED]
    if owned:
        yield Problem(
            "environment_owned", "ollama_environment",
            "ollama_environment sets %s; set %s instead." % (", ".join(owned), ", ".join(OWNED[name] for name in owned)),
        )


def _drivers(wish, around):
    version = numbers(wish.version)
    if version:
        for sentence in drivers.old_drivers(around.devices, version, wish.version, wish.accelerators)["error"]:
            yield Problem("driver_old", "ollama_version", sentence)
