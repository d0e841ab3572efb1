# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong on a host, before anything is changed there. seen is what module open_webui_probe found."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import found
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui import database
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.environment import DATA_DIR
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import Wish
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wrong_wishes import places_of_all


def by_hand(seen: dict) -> bool:
    """Somebody's `docker run`, not ours: taken over with its data and its key."""
    return seen["container"]["exists"] and not seen["container"]["managed"]


def problems(wish: Wish, seen: dict, check_mode: bool) -> list:
    """Of a host that shall run the web UI."""
    return [
        *_of_the_engine(wish, seen),
        *_of_the_data(wish, seen),
        *(_of_a_strange_container(wish, seen) if by_hand(seen) else []),
        *_of_the_database(wish, seen),
        *_of_what_is_there(wish, seen),
        # A dry run over a fleet that is not there yet must be possible.
        *([] if check_mode else _of_the_backends(seen)),
    ]


def only_a_client(wish: Wish, seen: dict) -> bool:
    """Docker's command without its server, as Docker Desktop and rootless Docker leave it on the path: the distribution's package would remove it."""
    return seen["engine"]["error"] is not None and "podman" not in wish.engine_package and seen["engine"]["programs"] == ["docker"]


def _of_the_engine(wish: Wish, seen: dict) -> list:
    client = bool(wish.engine_package) and only_a_client(wish, seen)
    return found(
        (
            client,
            "engine_elsewhere",
            "open_webui_docker_host",
            "Docker's command is on the host, but its engine does not answer (%s), and %s (open_webui_engine_package) would remove the one that it belongs "
            "to; start that and name its socket in open_webui_docker_host, or remove it first." % (seen["engine"]["error"], wish.engine_package),
        ),
        (
            seen["engine"]["error"] is not None and not client,
            "silent_engine",
            "open_webui_docker_host",
            "No container engine answers on the host (%s); start Docker or Podman's socket, run with become, set open_webui_engine_package to docker.io, "
            "docker or podman to have one installed, or name its socket in open_webui_docker_host." % seen["engine"]["error"],
        )
    )


def of_a_removal(wish: Wish, seen: dict) -> list:
    """A container must not be forgotten that a silent engine holds, and a purge takes what is Open WebUI's only."""
    mounts = seen["data"]["mounts"] if wish.purge else []
    return (places_of_all(wish) if wish.purge else []) + found(
        (
            seen["engine"]["error"] is not None and seen["engine"]["installed"],
            "silent_engine",
            "open_webui_docker_host",
            "The container engine is installed but does not answer (%s); start it, because only it can remove %s, or name its socket in "
            "open_webui_docker_host." % (seen["engine"]["error"], wish.container),
        ),
        (
            mounts,
            "data_holds_a_mount",
            "open_webui_data",
            "open_webui_data %s has %s mounted in it, which open_webui_purge would empty; unmount that, or leave open_webui_purge out."
            % (wish.data, " and ".join(mounts)),
        ),
    )


def _of_the_data(wish: Wish, seen: dict) -> list:
    data, port = seen["data"], seen["port"]
    return found(
        (
            data["network"] and wish.sqlite,
            "data_on_network",
            "open_webui_data",
            "open_webui_data %s lies on a network file system (%s), where SQLite loses data; use a local disk, or PostgreSQL by open_webui_database_url."
            % (wish.data, data["filesystem"]),
        ),
        (
            data["error"] is not None,
            "data_broken",
            "open_webui_data",
            "open_webui_data %s: %s; restore a backup with playbooks/restore.yml." % (wish.data, data["error"]),
        ),
        (
            port["used_by"] is not None,
            "port_taken",
            "open_webui_port",
            "open_webui_port %s is in use by %s; stop that, or choose another open_webui_port." % (wish.port, port["used_by"]),
        ),
    )


def _of_a_strange_container(wish: Wish, seen: dict) -> list:
    name, container = wish.container, seen["container"]
    data = container["data"]
    return found(
        (
            not data,
            "data_inside",
            "open_webui_data",
            "The container %s was made by hand and keeps its data inside itself; copy it to the host (docker cp %s:%s FOLDER), name that folder in "
            "open_webui_data, and remove the container." % (name, name, DATA_DIR),
        ),
        (
            data and data.removesuffix("/") != wish.data.removesuffix("/"),
            "data_elsewhere",
            "open_webui_data",
            "The container %s was made by hand and keeps its data in %s; set open_webui_data: %s to take it over, or another open_webui_container to "
            "leave it alone." % (name, data, data),
        ),
        (
            container["database_elsewhere"] and wish.sqlite,
            "database_elsewhere",
            "open_webui_database_url",
            "The container %s was made by hand and keeps its chats in the database of its DATABASE_URL; set open_webui_database_url to the same address "
            "to take it over." % name,
        ),
        (
            container.get("key_weak") and not wish.secret_key and not seen["secrets"]["key"],
            "key_of_container_weak",
            "open_webui_secret_key",
            "The container %s was made by hand and signs sessions with a key of fewer than 16 characters, which can be guessed; set "
            "open_webui_secret_key to 32 random characters or more (openssl rand -hex 32), and everybody signs in once more." % name,
        ),
    )


def _of_the_database(wish: Wish, seen: dict) -> list:
    there = database.parse(wish.database_url)
    return found(
        (
            seen["database_error"] is not None,
            "silent_database",
            "open_webui_database_url",
            "Nobody answers at %s:%d of open_webui_database_url (%s); start PostgreSQL there, let it listen for this host, or correct the address."
            % (there.host, there.port, seen["database_error"]),
        ),
        (
            seen["missing"],
            "missing_program",
            "open_webui_database_dump_command",
            "open_webui_database_dump_command and open_webui_database_restore_command call %s, which this host does not have; install it (Debian: "
            "postgresql-client), because without a dump there is no way back from an upgrade." % " and ".join(seen["missing"]),
        ),
    )


def _of_what_is_there(wish: Wish, seen: dict) -> list:
    return found(
        (
            seen["secrets"]["key_weak"],
            "kept_key_weak",
            "open_webui_secret_key",
            "%s/secret_key is shorter than 16 characters; remove it to have a new one made, or set open_webui_secret_key." % wish.secrets_dir,
        ),
        (
            wish.pull == "never" and not seen["image"]["present"],
            "no_image",
            "open_webui_pull",
            "The image %s is not on the host and open_webui_pull is never; load it, or set open_webui_pull: missing." % wish.image_ref,
        ),
    )


def _of_the_backends(seen: dict) -> list:
    silent = "; ".join("%(url)s: %(error)s" % backend for backend in seen["backends"])
    return found(
        (
            seen["backends"] and not any(backend["version"] for backend in seen["backends"]),
            "silent_backends",
            "open_webui_backends",
            "None of the Ollama servers in open_webui_backends answers this host (%s); start one, or let its firewall admit this host "
            "(ollama_allowed_cidrs)." % silent,
        )
    )


def of_a_takeover(wish: Wish, status: int, role: str) -> list:
    """status, role: the answer of the strange container to the administrator's password; one that gave none shows its faults when its successor
    is asked."""
    answered, inside = status in (200, 400, 401, 403), status == 200
    administrator = inside and role == "admin"
    why = "is no administrator in its database" if inside else "cannot sign in there with this password"
    return found(
        (
            answered and not administrator,
            "no_administrator",
            "open_webui_admin_password",
            "The container %s was made by hand, and %s %s; set open_webui_admin_email and open_webui_admin_password to an administrator that it has. "
            "Nothing was changed." % (wish.container, wish.admin_email, why),
        )
    )
