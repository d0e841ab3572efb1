# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the inventory wants of a mirror, and what the host holds, to what has to be done."""

from __future__ import annotations

import hashlib
import re

from ansible_collections.llmfleet.ollama.plugins.plugin_utils import places, releases
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirror import files
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.mirror.wants import Wants, bare
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.problems import found

# What the role makes in the store.
MADE = ("public", "releases", "ollama", "home", "filler", "verified.json")
PUBLIC_REGISTRY = "registry.ollama.ai"


def decide(
    wish: dict, wants: Wants, paths: dict, seen: dict | None = None, after: dict | None = None, service_mgr: str = "systemd", check_mode: bool = False
) -> dict:
    """The plan of one mirror.

    wish: the role's variables; paths: site, unit, nginx, ipv6, filler, record; seen: what module model_mirror_store found, none before the look;
    after: pulled (what the pull said) or fetched (the failed fetch of an archive), where seen is what they led to; service_mgr: of the host;
    check_mode: nothing will be changed.
    """
    present = wish["state"] == "present"
    plan = {
        "problems": wrong_wishes(wish, wants, service_mgr),
        "warnings": releases.warnings("model_mirror_ollama_version", wish["ollama_version"]) if present else [],
        "changes": [],
        # As programs take it.
        "no_proxy": ",".join(wish["no_proxy"] or []),
        "look": _look(wish, wants, paths) if present else _look_before_removal(wish, paths),
    }
    if not seen:
        return plan
    if not present:
        plan["changes"] = [paths[name] for name in ("unit", "environment", "site", "filler") if paths[name] in seen["files"]]
        plan["has_unit"] = paths["unit"] in seen["files"]
        # Of which nginx knows, where it is there.
        plan["has_site"] = paths["site"] in seen["files"] and paths["nginx"] in seen["files"]
        plan["acts"] = bool(plan["changes"]) or _record(paths) in seen["files"] or wish["store"] in seen["files"]
        plan["problems"] += _mounts(wish, seen["mounts"])
        # By name: the user may keep other things in the folder.
        plan["remove"] = [wish["store"] + "/" + name for name in MADE] if wish["store"] in seen["files"] else []
        return plan
    plan["site"] = _file(paths["site"], files.site(wish, paths["ipv6"] in seen["files"]), seen)
    plan["unit"] = _file(paths["unit"], files.unit(wish, "%s/%s/bin/ollama" % (paths["filler"], wish["ollama_version"]), paths["environment"]), seen)
    plan["proxied"] = bool(wish["https_proxy"])
    plan["environment"] = _file(paths["environment"], files.environment(wish), seen)
    plan["changes"] = [file["path"] for file in (plan["site"], plan["unit"], plan["environment"]) if file["differs"]]
    lacking = [path for path in (paths["nginx"], *_proofs_of_a_store(wish)) if path not in seen["files"]]
    plan["changes"] += lacking
    # Another release of the Ollama that fills the store is no reason not to serve.
    plan["serves"] = not plan["site"]["differs"] and not lacking
    plan["fetch"] = _fetch(seen["releases"]["missing"], wish["store"])
    plan["pull"] = {"models": seen["missing"], "from": wish["upstream"] or PUBLIC_REGISTRY, "version": wish["ollama_version"]}
    plan["probe_url"] = _probe_url(wish, seen["probe"])
    cut = _record(paths) in seen["files"]
    plan["unfinished"] = UNFINISHED if cut and not check_mode else ""
    # What a run that was cut off has written, nginx may never have been asked about.
    plan["takes_site"] = plan["site"]["differs"] or cut
    plan["writes"] = bool(plan["changes"]) or cut
    plan["acts"] = plan["writes"] or bool(plan["fetch"]["archives"] or plan["pull"]["models"])
    plan["change"] = _change(plan, paths)
    plan["would"] = ([UNFINISHED_YET] if cut else []) + _would(plan)
    if after:
        plan["lacks"] = _lacks(seen["releases"], after.get("fetched"))
        plan["problems"] += _still_missing(plan["pull"], after["pulled"]) if "pulled" in after else []
    return plan


UNFINISHED = (
    "a run before this one did not come to an end while it changed this mirror; this one has nginx check the site once more, which goes back to the one from "
    "before if it is refused, stops the Ollama that was filling the store, and goes on with what is missing. What was published whole is served meanwhile."
)

UNFINISHED_YET = (
    "A run before this one did not come to an end while it changed this mirror: would have nginx check the site once more, which goes back to the one from "
    "before if it is refused, and stop the Ollama that was filling the store. What was published whole is served meanwhile."
)


def _record(paths: dict) -> str:
    return paths["record"] + "/record.json"


def _change(plan: dict, paths: dict) -> dict:
    """What module host_change writes down before the first change. Archives, blobs and manifests appear under their names whole, and need no way back."""
    doing = (("site", plan["writes"]), ("releases", plan["fetch"]["archives"]), ("models", plan["pull"]["models"]))
    return {
        "record": paths["record"],
        "asked": "(%s)" % ", ".join(name for name, wanted in doing if wanted),
        "before": {"url": plan["probe_url"]},
        "paths": [paths["site"], paths["unit"], paths["environment"]],
    }


def wrong_wishes(wish: dict, wants: Wants, service_mgr: str) -> list:
    """Problems that show before the host is contacted."""
    encrypted = [bare(registry) for registry in wants.registries if not registry.startswith("http://")]
    # A name without http:// means https: a promise that only a certificate keeps.
    promised = next((name for name in encrypted if name in wish["server_names"]), None)
    return found(
        (
            service_mgr != "systemd",
            "no_systemd",
            "model_mirror_state",
            "model_mirror_state is %s, but there is no systemd on this host: choose another one for the group model_mirror." % wish["state"],
        ),
        (
            wish["state"] == "present" and promised and not wish["tls_certificate"],
            "no_certificate",
            "model_mirror_tls_certificate",
            "llm_registry names this mirror as %s, which means https, but it has no certificate: write http://%s, or set "
            "model_mirror_tls_certificate and model_mirror_tls_key." % (promised, promised),
        ),
        (
            bool(wish["tls_certificate"]) != bool(wish["tls_key"]),
            "half_a_certificate",
            "model_mirror_tls_key",
            "model_mirror_tls_certificate and model_mirror_tls_key belong together: set both or none.",
        ),
        (
            wants.itself,
            "own_upstream",
            "model_mirror_upstream",
            "model_mirror_upstream (%s) is this mirror itself: name where it is filled from, or leave it empty." % wish["upstream"],
        ),
        (
            wish["state"] == "present" and releases.is_too_new(wish["ollama_version"]) and not wish["accept_untested_version"],
            "version_untested",
            "model_mirror_ollama_version",
            releases.refusal("model_mirror_ollama_version", wish["ollama_version"]),
        ),
        (
            wish["state"] == "present" and wish["https_proxy"] and not wish["upstream"] and not releases.row_of(wish["ollama_version"])["pulls_through_proxy"],
            "proxy_pulls",
            "model_mirror_ollama_version",
            releases.mirror_proxy_refusal(wish["ollama_version"]),
        ),
        (
            # A removal that purges nothing is by files of ours alone.
            (wish["state"] == "present" or wish["purge"]) and places.is_shared(wish["store"]),
            "store_shared",
            "model_mirror_store",
            places.refusal("model_mirror_store", wish["store"], "/srv/model-mirror"),
        ),
        (wants.circle, "circle", "model_mirror_upstream", wants.circle + "."),
    )


def _mounts(wish: dict, mounts: list) -> list:
    """A removal that would empty a disk. mounts: those of MADE in which one is mounted."""
    emptied = [name for name in mounts if wish["purge"] or name == "filler"]
    return found(
        (
            emptied,
            "store_holds_a_mount",
            "model_mirror_store",
            "model_mirror_store %s has a disk mounted in %s, which the removal would empty; unmount it%s."
            % (wish["store"], " and ".join(emptied), ", or leave model_mirror_purge out" if wish["purge"] else ""),
        )
    )


def _proofs_of_a_store(wish: dict) -> tuple:
    """Folders without which there is no store."""
    return (wish["store"] + "/ollama", wish["store"] + "/public")


def _look(wish: dict, wants: Wants, paths: dict) -> dict:
    """What module model_mirror_store is asked for. Nothing is removed while a host that the mirror serves has not said what it wants."""
    models_known = wants.models_complete or wish["models"] != wants.models
    releases_known = wants.releases_complete or not wish["releases"]
    return {
        "models": wish["models"],
        "registry": wish["upstream"],
        "exact": wish["exact"] and models_known,
        "releases": [dict(want, sums=_sums(want)) for want in wants.releases] if wish["releases"] else [],
        "releases_exact": wish["exact"] and releases_known,
        "version": wish["ollama_version"],
        "port": wish["port"],
        "user": wish["user"],
        "watch": [paths["site"], paths["unit"], paths["environment"], paths["nginx"], paths["ipv6"], _record(paths), *_proofs_of_a_store(wish)],
    }


def _sums(want: dict) -> dict:
    """The sums that this collection knows of what a host wants."""
    return releases.shipped(want["version"], want.get("archives") or [], want.get("checksum") or "")


def _look_before_removal(wish: dict, paths: dict) -> dict:
    """Only what is there: no upstream is asked, and the port may be anybody's."""
    watch = [paths["site"], paths["unit"], paths["environment"], paths["nginx"], wish["store"], paths["filler"], _record(paths)]
    nothing = {"models": [], "registry": "", "exact": False, "releases": [], "releases_exact": False, "version": "", "port": None, "user": ""}
    return dict(nothing, watch=watch)


def _file(path: str, content: str, seen: dict) -> dict:
    digest = hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest() if content else None
    return {"path": path, "content": content, "differs": seen["files"].get(path) != digest}


def _fetch(missing: list, store: str) -> dict:
    """What comes from upstream and where it goes. An archive without a checksum of its own needs the list of its release."""
    there = {archive["version"]: "%s/releases/v%s" % (store, archive["version"]) for archive in missing}
    lists = {(there[archive["version"]], archive["list_url"]) for archive in missing if not archive["sha256"]}
    return {
        "folders": list(there.values()),
        "lists": [{"folder": folder, "url": url} for folder, url in sorted(lists)],
        "archives": [
            {"what": "%(archive)s %(version)s" % archive, "url": archive["url"], "folder": there[archive["version"]], "name": archive["archive"]}
            for archive in missing
        ],
    }


def _would(plan: dict) -> list:
    """What a dry run says."""
    pull, urls = plan["pull"], [archive["url"] for archive in plan["fetch"]["archives"]]
    return [
        *(["Would write %s." % ", ".join(plan["changes"])] if plan["changes"] else []),
        *(["Would fetch %s." % ", ".join(urls)] if urls else []),
        *(["Would pull %s from %s." % (", ".join(pull["models"]), pull["from"])] if pull["models"] else []),
    ]


def _probe_url(wish: dict, path: str) -> str:
    """A blob as a client asks for it; empty while nothing is served."""
    return "%s://127.0.0.1:%d%s" % ("https" if wish["tls_certificate"] else "http", wish["port"], path) if path else ""


def why_failed(result: dict) -> str:
    """The address and the reason of a failed task, which may have been a loop."""
    failed = next((one for one in result.get("results", []) if one.get("failed")), result)
    item = failed.get(failed.get("ansible_loop_var", "item"))
    return "%s: %s" % (item["url"] if isinstance(item, dict) else item or "a folder of the store", failed.get("msg"))


def _lacks(releases: dict, failed: dict | None) -> str:
    """What to say of archives that could not be had: no reason to stop, since those who need them ask for them themselves."""
    if not releases["missing"]:
        return ""
    other = " and ".join("its checksum is sha256:%(found)s instead of sha256:%(wanted)s" % entry for entry in releases.get("mismatches") or [])
    checked = other or "its checksum is another one" if releases["corrupt"] else "the release's sha256sum.txt does not name it"
    return (
        "WARNING: the mirror lacks %s (%s), so the hosts that need it ask for it themselves; correct ollama_version, ollama_download_base_url or "
        "ollama_download_checksum, or set model_mirror_releases to false."
        % (" and ".join(archive["archive"] for archive in releases["missing"]), why_failed(failed) if failed else checked)
    )


def _still_missing(pull: dict, said: str) -> list:
    """After the pull. said: the message of a failed one."""
    why = re.sub(r"[.\s]+$", "", said)
    return found(
        (
            pull["models"] and why,
            "not_filled",
            "model_mirror_upstream",
            "The mirror could not be filled from %s (model_mirror_upstream): %s. What it held before is served on." % (pull["from"], why),
        ),
        (
            pull["models"] and not why,
            "not_served",
            "model_mirror_models",
            "%s cannot be served: the upstream's copy does not match its digests, or moved meanwhile; run again." % ", ".join(pull["models"]),
        ),
    )
