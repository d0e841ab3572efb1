# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into the decision about a host's service, and what comes out of it; the same on Linux, macOS and Windows.

    path_problems(wish) -> [Problem]               paths that no look may be asked for    service/<system>.py, as all of these
    question(wish, around) -> Question             what the look must be asked
    not_root(around) -> Problem                    why nothing can be said at all
    decide(wish, look, around) -> Service          what is to be done
    remove(wish, look) -> Service                  what goes away where the service shall not be

Nothing here knows Ansible, and nothing asks a host.
"""

from __future__ import annotations

import dataclasses
import typing

from ansible_collections.llmfleet.ollama.plugins.module_utils.defaults import PORT

# Whose hosts ask Ollama for others, where a fleet has them.
GATEWAY, WEB_UI = "gateway", "open_webui"
ASKERS = (WEB_UI, GATEWAY)


@dataclasses.dataclass(frozen=True)
class Problem:
    """Why a host cannot have what is wanted. id: stable, for tests and reports. variable: the one to change, or ''. say: sentence with a way out."""

    id: str
    variable: str
    say: str


@dataclasses.dataclass(frozen=True)
class Wish:
    """The role's public variables of one host, without their prefix ollama_. wish.read() makes one of what an inventory says."""

    version: str
    install_dir: str
    models_dir: str
    user: str
    group: str
    state: str = "present"
    purge: bool = False
    accept_vulnerable_version: bool = False
    accept_untested_version: bool = False
    cloud: bool = False
    accept_plain_http: bool = False
    download_base_url: str = "https://github.com/ollama/ollama/releases/download"
    download_checksum: str = ""
    # refuse, move or leave
    models_move: str = "refuse"
    host: str = "0.0.0.0"
    port: int = PORT
    firewall: str = "managed"
    accept_open_port: bool = False
    allowed_cidrs: tuple[str, ...] = ()
    # Of a fleet with a gateway: who reaches this host all the same.
    direct_cidrs: tuple[str, ...] = ()
    allowed_groups: tuple[str, ...] = ASKERS
    admit_controller: bool = True
    environment: typing.Mapping[str, typing.Any] = dataclasses.field(default_factory=dict)
    plan_environment: typing.Mapping[str, typing.Any] = dataclasses.field(default_factory=dict)
    https_proxy: str = ""
    no_proxy: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ("auto",)
    service_options: typing.Mapping[str, typing.Any] = dataclasses.field(default_factory=dict)
    # Of Prometheus' node exporter; Linux only.
    textfile_dir: str = ""
    wait_seconds: int = 60
    # llm_registry
    registry: str = ""


@dataclasses.dataclass(frozen=True)
class Mirror:
    """The fleet's mirror of this host. holds: {archive: sha256 in hex} of this release, read over Ansible's own connection; {} when not read."""

    host: str
    address: str
    store: str = "/srv/model-mirror"
    certificate: str = ""
    port: int = 80
    # None: the inventory does not say
    server_names: typing.Optional[tuple[str, ...]] = None
    releases: bool = True
    holds: typing.Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Around:
    """What the rest of the inventory and the facts say.

    host, address: inventory_hostname and ansible_host (or the same). connection, account: ansible_connection, ansible_user.
    groups: {group: (hosts)}, of the gateway those that shall have one; addresses: {host: ansible_host or ''} of those that the door admits by name.
    past_gateway: hosts of web UIs that reach no gateway, though the fleet has one.
    controller: its address on the way to this host, '' where the host tells it itself. devices: those of the fact vram. gpu_models: names that
    the plan puts on a GPU. check_mode: nothing will be changed, so that what one step makes is not there for the next.
    """

    host: str
    address: str
    connection: str = "ssh"
    account: str = ""
    groups: typing.Mapping[str, typing.Sequence[str]] = dataclasses.field(default_factory=dict)
    addresses: typing.Mapping[str, str] = dataclasses.field(default_factory=dict)
    past_gateway: typing.Sequence[str] = ()
    controller: str = ""
    devices: typing.Sequence[typing.Mapping[str, typing.Any]] = ()
    gpu_models: typing.Sequence[str] = ()
    mirror: typing.Optional[Mirror] = None
    check_mode: bool = False


@dataclasses.dataclass(frozen=True)
class Question:
    """What the look must be asked of a host beyond what it always tells.

    user: of the service; on Windows a SID, '' for none. service, door: the names of unit, daemon or task, and of table, daemon or rule.
    record: the folder of a change's record, '' where the system keeps none.
    paths: to look at, see look_schema.FILE. settings: the file of the service's environment, which names the store that it uses now.
    names: hosts to resolve. url: where the API answers on the host itself. tools: programs to look for.
    """

    system: str
    user: str
    port: int
    url: str
    install_dir: str
    models_dir: str
    service: str
    door: str
    settings: str
    moving: str
    paths: tuple[str, ...]
    names: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    record: str = ""

    def to_dict(self):
        return _plain(dataclasses.asdict(self))


@dataclasses.dataclass(frozen=True)
class Archive:
    """sha256: 64 hex digits, or the URL of a list of them. proxied: the way to it leads through ollama_https_proxy, whose password is not told."""

    name: str
    url: str
    sha256: str
    proxied: bool = False


@dataclasses.dataclass(frozen=True)
class File:
    """A file of ours. mode is None on Windows. differs: it is not there, or content, mode or owner are others. secret: neither log nor diff shows it."""

    path: str
    mode: typing.Optional[str]
    content: str
    differs: bool
    # the step that writes it: service, door, profile
    part: str = "service"
    secret: bool = False


@dataclasses.dataclass
class Service:
    """The decision. Where there are problems the rest may be empty.

    addresses: {bind, local, url, cli}. door: {guarded, ipv4, ipv6, differs, remove, ...}. before: what serves now. steps: plain values that only
    the tasks of this system read, already decided. changes: what would be done, in words for people; empty on a converged host.
    """

    problems: list[Problem] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    version: str = ""
    archives: list[Archive] = dataclasses.field(default_factory=list)
    complete: bool = False
    files: list[File] = dataclasses.field(default_factory=list)
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    door: dict[str, typing.Any] = dataclasses.field(default_factory=dict)
    addresses: dict[str, str] = dataclasses.field(default_factory=dict)
    restart: bool = False
    before: typing.Optional[dict[str, str]] = None
    changes: list[str] = dataclasses.field(default_factory=list)
    steps: dict[str, typing.Any] = dataclasses.field(default_factory=dict)

    def to_dict(self):
        """Documented shape (docs and design.md 4), of plain dicts and lists."""
        made = _plain(dataclasses.asdict(self))
        made["release"] = {"version": made.pop("version"), "archives": made.pop("archives"), "complete": made.pop("complete")}
        return made


def _plain(value):
    """Tuples as lists, as JSON and Ansible know them."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, (list, tuple)) else value
