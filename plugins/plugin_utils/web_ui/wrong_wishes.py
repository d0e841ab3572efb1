# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong before any host is asked."""

from __future__ import annotations

import json
import re

from ansible_collections.llmfleet.ollama.plugins.plugin_utils import places
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import found
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui import database, door, environment
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.backends import open_webui_backend_problems
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import PREFIX, Wish

# Below it are published security holes.
FLOOR = (0, 9, 5)
ROLLING_TAGS = ("main", "latest", "dev", "cuda", "ollama", "main-slim")
SYSTEMS = {"Darwin": "macOS", "Windows": "Windows"}
# What bcrypt takes.
PASSWORD_BYTES = 72
_GUESSED = ("administrator", "password1234", "changemechangeme")
_WEAK_KEYS = ("changeme", "secret", "t0p-s3cr3t", "0p3n-w3bu!")
_EMAIL = re.compile(r"[^@\s]+@([^@\s]+[.][^@\s]+|localhost)")
_INSIDE = ("localhost", "127.0.0.1", "::1")


def impossible(me: str, os_family: str) -> str:
    """Why there can be no web UI on this host; empty where there can. A host without facts is asked by the first module."""
    if os_family not in SYSTEMS:
        return ""
    return (
        "%s runs %s, and Open WebUI needs a Linux host for its container: Ollama and its models do not miss it; for the page in the browser put a Linux "
        "host into the group open_webui, or start Open WebUI in Docker Desktop by hand." % (me, SYSTEMS[os_family])
    )


def problems(wish: Wish, me: str, os_family: str, on_host_network: bool) -> list:
    return [
        *_of_the_host(wish, me, os_family),
        *_of_the_image(wish),
        *_of_the_administrator(wish),
        *_of_the_addresses(wish, on_host_network),
        *door.problems(wish),
        *_of_the_data(wish, on_host_network),
        *_of_the_environment(wish),
        *_of_the_backends(wish),
        *_of_the_users(wish),
    ]


def _of_the_host(wish: Wish, me: str, os_family: str) -> list:
    system = SYSTEMS.get(os_family)
    return found(
        (
            system and not wish.where_possible,
            "no_linux",
            "open_webui_where_possible",
            "%s runs %s, and Open WebUI needs a Linux host for its container; put one into the group open_webui in its place, or set "
            "open_webui_where_possible: true to go on without a web UI there." % (me, system),
        )
    )


def _of_the_image(wish: Wish) -> list:
    return found(
        (
            not wish.release,
            "no_release",
            "open_webui_version",
            "open_webui_version is %s; write a release such as 0.12.4 (a rolling tag changes under your feet)." % wish.version,
        ),
        (
            wish.release and wish.release < FLOOR and not wish.accept_vulnerable_version,
            "vulnerable_release",
            "open_webui_version",
            "open_webui_version %s lies below %s and has published security holes; take 0.12.4, or set open_webui_accept_vulnerable_version: true."
            % (wish.version, ".".join(map(str, FLOOR))),
        ),
        (
            wish.tag in ROLLING_TAGS and not wish.digest,
            "rolling_tag",
            "open_webui_tag",
            "open_webui_tag %s moves with every release; write a release's tag, or pin it by open_webui_digest." % wish.tag,
        ),
        (
            wish.digest and not re.fullmatch("sha256:[0-9a-f]{64}", wish.digest),
            "no_digest",
            "open_webui_digest",
            "open_webui_digest is not of the form sha256: and 64 hexadecimal digits.",
        ),
    )


def _of_the_administrator(wish: Wish) -> list:
    password, key = wish.admin_password, wish.secret_key
    return found(
        # Open WebUI takes the name localhost, too.
        (
            not _EMAIL.fullmatch(wish.admin_email),
            "no_email",
            "open_webui_admin_email",
            "open_webui_admin_email is %s; set the administrator's e-mail address." % json.dumps(wish.admin_email),
        ),
        # A relative one would be looked for beside the playbook, in the checkout.
        (
            not re.match("$|[/~]", wish.admin_password_file),
            "relative_password_file",
            "open_webui_admin_password_file",
            "open_webui_admin_password_file is %s; write an absolute path of the machine that runs Ansible, such as "
            "~/.config/llmfleet/open-webui-password." % wish.admin_password_file,
        ),
        (
            len(password) < 12,
            "short_password",
            "open_webui_admin_password",
            "open_webui_admin_password %s; put a long one into your vault, or name a file of yours in open_webui_admin_password_file to have one made and "
            "kept there, because without an administrator the first visitor would become one."
            % ("is shorter than 12 characters" if password else "is not set"),
        ),
        (
            len(password.encode()) > PASSWORD_BYTES,
            "long_password",
            "open_webui_admin_password",
            "open_webui_admin_password is longer than the %d bytes that bcrypt takes; shorten it." % PASSWORD_BYTES,
        ),
        (
            len(password) >= 12 and password.lower() in (wish.admin_email.lower(), *_GUESSED),
            "guessed_password",
            "open_webui_admin_password",
            "open_webui_admin_password can be guessed; put a random one into your vault.",
        ),
        (
            key and (len(key) < 32 or len(set(key)) < 10 or key.lower() in _WEAK_KEYS),
            "weak_key",
            "open_webui_secret_key",
            "open_webui_secret_key is weak; give 32 random characters or more (openssl rand -hex 32), or leave it empty to have one made.",
        ),
    )


def _of_the_addresses(wish: Wish, on_host_network: bool) -> list:
    return found(
        (
            not 1 <= wish.port_number <= 65535,
            "no_port",
            "open_webui_port",
            "open_webui_port is %s; write a number from 1 to 65535." % wish.port,
        ),
        (
            on_host_network and wish.port_number < 1024,
            "privileged_port",
            "open_webui_port",
            "open_webui_port %s is a privileged port and the container has no privileges on the host's network; take one above 1023, or "
            "open_webui_network_mode: bridge." % wish.port,
        ),
        (
            wish.url and not re.fullmatch("https?://[^/ ]+/?", wish.url),
            "no_url",
            "open_webui_url",
            "open_webui_url is %s; write the address that people type, such as https://chat.example.net." % wish.url,
        ),
        (
            not wish.docker_host.startswith("unix:///"),
            "no_socket",
            "open_webui_docker_host",
            "open_webui_docker_host is %s; the data must lie on the same host, so write unix:///path/of.sock." % wish.docker_host,
        ),
    )


def places_of_all(wish: Wish) -> list:
    """Folders that a whole host shares, which are nobody's to close or to remove."""
    paths = {name: getattr(wish, name) for name in ("data", "config_dir", "backup_dir")}
    shared = {name: path for name, path in paths.items() if path.startswith("/") and places.is_shared(path)}
    return found(
        *(
            (True, name + "_shared", PREFIX + name, places.refusal(PREFIX + name, path, path.rstrip("/") + "/open-webui"))
            for name, path in shared.items()
        )
    )


def _of_the_data(wish: Wish, on_host_network: bool) -> list:
    readable = wish.sqlite or database.readable(wish.database_url)
    host = database.parse(wish.database_url).host if readable else ""
    return places_of_all(wish) + found(
        (
            not re.fullmatch("/.*|[A-Za-z0-9][A-Za-z0-9_.-]+", wish.data),
            "no_data",
            "open_webui_data",
            "open_webui_data is %s; write a volume's name or an absolute path that outlives the container." % json.dumps(wish.data),
        ),
        (
            not readable,
            "no_database",
            "open_webui_database_url",
            "open_webui_database_url is no PostgreSQL address (postgresql://user:password@host/name); leave it empty for SQLite.",
        ),
        (
            not on_host_network and host in _INSIDE,
            "database_inside",
            "open_webui_database_url",
            "open_webui_database_url names %s, which inside the container is the container itself; write host.docker.internal for a PostgreSQL on this "
            "host, or another host's address." % host,
        ),
    )


def _of_the_environment(wish: Wish) -> list:
    taken = [name for name in environment.names_of_users(wish) if name in environment.reserved(wish)]
    return found(
        (
            taken,
            "reserved_name",
            "open_webui_environment",
            "The role itself sets %s; remove it from open_webui_environment and open_webui_secret_environment and use the role's own variable."
            % ", ".join(taken),
        )
    )


def _of_the_backends(wish: Wish) -> list:
    prefixes = [backend["prefix_id"] for backend in wish.backends if isinstance(backend, dict) and backend.get("prefix_id")]
    misspelt = open_webui_backend_problems(wish.backends)
    return found(
        (
            not wish.backends,
            "no_backend",
            "open_webui_backends",
            "open_webui_backends is empty; put hosts into the group ollama, or list the servers there.",
        ),
        *((True, "misspelt_backend", "open_webui_backends", say) for say in misspelt),
        (
            len(set(prefixes)) != len(prefixes),
            "prefix_twice",
            "open_webui_backends",
            "open_webui_backends has one prefix_id twice; prefixes tell the hosts' models apart, so give each its own.",
        ),
    )


def _of_the_users(wish: Wish) -> list:
    addresses = [str(user.get("email")).lower() for user in wish.users]
    passwords = [str(user["password"]) for user in wish.users if user.get("password") is not None]
    return found(
        (
            len(set(addresses)) != len(addresses),
            "user_twice",
            "open_webui_users",
            "open_webui_users names an address twice; keep one entry for each user.",
        ),
        (
            any(len(password) < 8 for password in passwords),
            "short_user_password",
            "open_webui_users",
            "open_webui_users has a password of fewer than 8 characters; give a longer one.",
        ),
    )
