# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory says about one web UI: the role's variables, and what follows from them alone."""

from __future__ import annotations

import dataclasses
import re
import typing

from ansible.module_utils.parsing.convert_bool import boolean

PREFIX = "open_webui_"
EVERYWHERE = ("0.0.0.0", "::", "")
RELEASE = re.compile(r"[0-9]+[.][0-9]+[.][0-9]+")


class BadWish(ValueError):
    """A variable of another kind than it can be read as. The text is the sentence for the user."""


@dataclasses.dataclass(frozen=True)
class Wish:
    """The role's public variables without their prefix. Those that hold secrets stay in here: nothing that is told or returned is made of them."""

    state: str = "present"
    purge: bool = False
    where_possible: bool = False
    version: str = ""
    image: str = ""
    tag: str = ""
    digest: str = ""
    pull: str = "missing"
    accept_vulnerable_version: bool = False
    docker_host: str = ""
    engine_package: str = ""
    container: str = "open-webui"
    user: str = "0:0"
    port: str = "3000"
    bind_address: str = ""
    # None: nobody has said who may come
    allowed_cidrs: list | None = None
    accept_open_port: bool = False
    url: str = ""
    network_mode: str = "auto"
    admin_email: str = ""
    admin_password: str = ""
    admin_password_file: str = ""
    admin_name: str = ""
    users: list = dataclasses.field(default_factory=list)
    models_for_all_users: bool = True
    secret_key: str = ""
    config_dir: str = "/etc/open-webui"
    data: str = ""
    database_url: str = ""
    database_dump_command: str = ""
    database_restore_command: str = ""
    backup_dir: str = ""
    restore_archive: str = ""
    restore_remote_src: bool = True
    backend_hosts: list = dataclasses.field(default_factory=list)
    backends: list = dataclasses.field(default_factory=list)
    environment: dict = dataclasses.field(default_factory=dict)
    secret_environment: dict = dataclasses.field(default_factory=dict)
    wait_seconds: str = "180"

    @property
    def port_number(self) -> int:
        """0 for what is no number."""
        return _number(self.port)

    @property
    def patience(self) -> int:
        """Seconds."""
        return _number(self.wait_seconds)

    @property
    def image_ref(self) -> str:
        return self.image + ("@" + self.digest if self.digest else ":" + self.tag)

    @property
    def socket(self) -> str:
        """Path of the engine's Unix socket."""
        return self.docker_host.removeprefix("unix://")

    @property
    def uid(self) -> int:
        return _number(self.user.partition(":")[0])

    @property
    def gid(self) -> int:
        return _number(self.user.rpartition(":")[-1])

    @property
    def sqlite(self) -> bool:
        return not self.database_url

    @property
    def secrets_dir(self) -> str:
        return self.config_dir + "/secrets"

    @property
    def release(self) -> tuple:
        """() for what is no release."""
        return numbers(self.version) if RELEASE.fullmatch(self.version) else ()

    @property
    def saves_database(self) -> bool:
        """Whether PostgreSQL can be saved and brought back."""
        return bool(self.database_dump_command and self.database_restore_command)


def numbers(version: str) -> tuple:
    """A release, also that of a variant such as 0.12.4-slim, as numbers that compare; () for what is none."""
    release = RELEASE.match(version)
    return tuple(int(part) for part in release.group().split(".")) if release else ()


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def read(wishes: typing.Mapping) -> Wish:
    """From the role's variables by their full names, as templates gave them. BadWish where one is of another kind."""
    known = {field.name: field for field in dataclasses.fields(Wish)}
    values = {}
    for name, value in wishes.items():
        field = known[name.removeprefix(PREFIX)]
        if field.type == "bool":
            values[field.name] = boolean(value, strict=False)
        elif field.type == "str":
            values[field.name] = "" if value is None else str(value)
        elif field.type == "list | None" and value is None:
            values[field.name] = None
        else:
            kind = {"list": list, "list | None": list, "dict": dict}[field.type]
            if value is not None and not isinstance(value, kind):
                raise BadWish("%s is %r; write a %s." % (name, value, {list: "list", dict: "dictionary"}[kind]))
            values[field.name] = kind(value or kind())
    return Wish(**values)
