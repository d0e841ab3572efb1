# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back: what an upgrade, a backup and a restore need. A database may have been migrated by a newer release, and migrations are one-way."""

from __future__ import annotations

from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import found
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wish import Wish, numbers
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.web_ui.wrong_host import by_hand


def changes_image(seen: dict) -> bool:
    return seen["container"]["image_id"] != seen["image"]["id"]


def revision(seen: dict, archive: dict | None) -> str:
    """The newest migration of the database that the image will get: of the archive that is restored, or of what is there."""
    return (seen["data"].get("revision") if archive is None else archive.get("revision")) or ""


def _written_by(seen: dict, archive: dict | None) -> str:
    return (seen["container"]["version"] if archive is None else archive.get("version")) or ""


def of_an_image(wish: Wish, seen: dict, archive: dict | None) -> list:
    """archive: what the archive says of itself that is restored, None where there is no restore."""
    serves = _written_by(seen, archive)
    older = wish.release and numbers(serves) and wish.release < numbers(serves)
    return found(
        (
            not wish.sqlite and seen["container"]["exists"] and not wish.saves_database,
            "no_way_back",
            "open_webui_database_dump_command",
            "The upgrade to open_webui_version %s migrates the database in open_webui_database_url, and only PostgreSQL's own tools can save it: set "
            "open_webui_database_dump_command and open_webui_database_restore_command. Nothing was changed." % wish.version,
        ),
        # The role cannot read the migration of PostgreSQL.
        (
            not wish.sqlite and older,
            "older_than_database",
            "open_webui_version",
            "open_webui_version %s is older than %s, which has migrated the database %s, and migrations are one-way; set open_webui_version: %s or newer, "
            "or restore a backup of the older release with playbooks/restore.yml."
            % (wish.version, serves, "in open_webui_database_url" if archive is None else "in the archive", serves),
        ),
    )[:1]


def of_a_revision(wish: Wish, seen: dict, archive: dict | None, known: str) -> list:
    """known: the migrations that the image knows, as it prints them."""
    wanted = revision(seen, archive)
    return found(
        (
            wanted and wanted not in known.split(),
            "unknown_migration",
            "open_webui_version",
            "open_webui_version %s does not know the migration %s of the database %s, which a newer release has written; keep open_webui_version at %s or "
            "newer, or restore a backup of the older release with playbooks/restore.yml."
            % (wish.version, wanted, wish.data, _written_by(seen, archive) or "the release that wrote it"),
        )
    )


def of_a_backup(wish: Wish, seen: dict, kind: str) -> list:
    """kind: what the role saves for, or "manual"; for itself, it has just written the key."""
    error = seen["engine"]["error"]
    return found(
        (
            not seen["data"]["database"] and not wish.database_dump_command,
            "nothing_to_save",
            "open_webui_data",
            "There is no Open WebUI database to save on this host (open_webui_data %s%s); name the volume or the folder that it uses."
            % (wish.data, ": %s" % error if error else ""),
        ),
        (
            by_hand(seen) and not seen["secrets"]["key"] and kind == "manual",
            "key_not_saved",
            "open_webui_container",
            "The container %s was made by hand, and its secret key is not in %s yet; run the role first (site.yml --tags open_webui), which takes the "
            "container over and saves it. Nothing was changed." % (wish.container, wish.secrets_dir),
        ),
        (
            not wish.sqlite and not wish.database_dump_command,
            "no_dump_command",
            "open_webui_database_dump_command",
            "The chats lie in PostgreSQL, which only its own tool can save: set open_webui_database_dump_command, for example "
            '\'pg_dump -Fc "$DATABASE_URL" > "$DUMP"\'. Nothing was changed.',
        ),
    )[:1]


def of_a_restore(wish: Wish) -> list:
    return found(
        (
            not wish.restore_archive,
            "no_archive",
            "open_webui_restore_archive",
            "open_webui_restore_archive is not set; give the archive that playbooks/backup.yml has written "
            "(-e open_webui_restore_archive=/var/backups/open-webui/….tar.gz).",
        )
    )


def of_an_archive(wish: Wish, archive: dict) -> list:
    return found(
        (
            not wish.sqlite and not archive.get("dump", True),
            "archive_of_sqlite",
            "open_webui_database_url",
            "The archive holds a SQLite database and open_webui_database_url names PostgreSQL; empty it to restore, since nothing moves chats from one "
            "kind to the other.",
        ),
        (
            wish.sqlite and not archive["database"],
            "archive_of_postgresql",
            "open_webui_database_url",
            "The archive holds a dump of PostgreSQL and no SQLite database; set open_webui_database_url to the PostgreSQL that takes it.",
        ),
        (
            not wish.sqlite and not wish.database_restore_command,
            "no_restore_command",
            "open_webui_database_restore_command",
            "The chats lie in PostgreSQL, which only its own tools can restore: set open_webui_database_restore_command (docs/open-webui.md has one). "
            "Nothing was changed.",
        ),
    )
