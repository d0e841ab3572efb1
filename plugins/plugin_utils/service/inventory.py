# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible knows of a host, as the decision takes it: its variables, its groups, its mirror."""

from __future__ import annotations

import contextlib
import dataclasses
import socket

from ansible.errors import AnsibleActionFail, AnsibleUndefinedVariable
from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import OLLAMA_VERSION

from .. import undefined
from . import address, gateways, release, wish
from .contract import GATEWAY, WEB_UI, Around, Mirror, Wish

VARIABLES = tuple(wish.variable(name) for name in wish.NAMES)
_KNOWN = ("inventory_hostname", "ansible_host", "ansible_connection", "ansible_user")


def of_host(task_vars, template, wishes, listed=""):
    """(public variables, Around) of the host of a task. template: makes the value of a variable; wishes: variables that are given otherwise.

    Raises AnsibleActionFail where a value uses a variable that nobody has set: a token of ollama_environment would otherwise be missed late.
    """
    try:
        return _of_host(task_vars, template, wishes, listed)
    except AnsibleUndefinedVariable as error:
        missing = undefined.sentences(template, task_vars, ["ollama_"])
        raise AnsibleActionFail("\n".join(missing) if missing else str(error)) from error


def _of_host(task_vars, template, wishes, listed):
    variables = {name: template(task_vars[name]) for name in VARIABLES if name in task_vars and name not in wishes}
    variables.update(wishes)
    known = {name: template(task_vars[name]) for name in _KNOWN if name in task_vars}
    # Facts are no templates, and a walk through all of them costs more than the rest.
    known.update({name: task_vars.get(name) for name in ("ansible_facts", "groups", "hostvars")})
    return variables, around({**known, **variables}, listed)


def defaults(facts, host):
    """The defaults of role ollama that are not those of Wish, for who decides before the role is there."""
    vendors = [device["vendor"] for device in (facts.get("vram") or {}).get("devices") or ()]
    return {
        "ollama_version": OLLAMA_VERSION,
        "ollama_plan_environment": (facts.get("model_plan") or {}).get("environment") or {},
        "ollama_accelerators": list(dict.fromkeys(vendors)) if "vram" in facts else ["auto"],
        "ollama_no_proxy": ["localhost", "127.0.0.1", "::1", "0.0.0.0", host],
    }


def around(variables, listed=""):
    """The Around of one host's variables, which are templated where they need it. listed: text of the mirror's sha256sum.txt of this release."""
    host, groups, others = variables["inventory_hostname"], variables.get("groups") or {}, variables.get("hostvars") or {}
    facts = variables.get("ansible_facts") or {}
    if groups.get(GATEWAY):
        groups = {**groups, GATEWAY: gateways.gateways_of(groups, others)}
    past = tuple(name for name in groups.get(WEB_UI) or () if groups.get(GATEWAY) and not gateways.reached_from(groups, others, name))
    members = address.askers(_allowed_groups(variables), groups, past)
    mirror = release.mirror_of(_text(variables.get("llm_registry")), [_mirror(name, others[name]) for name in groups.get("model_mirror") or ()])
    return Around(
        host=host,
        address=_text(variables.get("ansible_host")) or host,
        connection=_text(variables.get("ansible_connection")) or "ssh",
        account=_text(variables.get("ansible_user")),
        groups=groups,
        addresses={name: _text(others[name].get("ansible_host")) for name in members},
        past_gateway=past,
        devices=(facts.get("vram") or {}).get("devices") or (),
        gpu_models=[entry["name"] for entry in (facts.get("model_plan") or {}).get("models") or () if entry.get("placement") != "cpu"],
        mirror=mirror and dataclasses.replace(mirror, holds=release.mirror_list(listed) if mirror.releases else {}),
    )


def _allowed_groups(variables):
    given = variables.get("ollama_allowed_groups")
    if given is None:
        return Wish.allowed_groups
    with contextlib.suppress(wish.Wrong):
        return wish.texts(given)
    # The decision refuses it by its name.
    return ()


def _text(value):
    return "" if value is None else str(value)


def _mirror(host, variables):
    certificate = _text(variables.get("model_mirror_tls_certificate"))
    names = variables.get("model_mirror_server_names")
    return Mirror(
        host=host,
        address=_text(variables.get("ansible_host")),
        store=_text(variables.get("model_mirror_store")) or Mirror.store,
        certificate=certificate,
        port=int(variables.get("model_mirror_port") or (443 if certificate else 80)),
        server_names=None if names is None else tuple(map(str, names)),
        releases=str(variables.get("model_mirror_releases", True)).lower() not in wish.FALSE_WORDS,
    )


def with_controller(made, near):
    """The same, with the controller's address on the way to a host that is not told it: WinRM has no word for it, and sudo on a Mac hides it."""
    if not (address.guarded(made) and made.admit_controller) or near.connection == "local":
        return near
    return dataclasses.replace(near, controller=source_address(near.address))


def source_address(host):
    """The address with which this machine reaches a host, '' where it knows no way. No packet is sent: a UDP socket that connects asks for the route."""
    with contextlib.suppress(OSError):
        found = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(found[0], socket.SOCK_DGRAM) as route:
            route.connect(found[4])
            return route.getsockname()[0].partition("%")[0]
    return ""
