# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision about one host's service: the same way on every system, whose module knows the rest."""

from __future__ import annotations

from .. import look_schema
from . import inventory, linux, macos, release, store, windows, wish
from .contract import Service, Wish

SYSTEMS = {"linux": linux, "macos": macos, "windows": windows}
# Where the host itself does not tell from where the controller comes.
UNTOLD = ("macos", "windows")


def questions(variables, around):
    """A Question for each system that a host may turn out to have. One for which the wishes cannot even be read is not asked; decide() says why."""
    found = []
    for name, system in SYSTEMS.items():
        made, _problems = wish.read(variables, name)
        if made and not system.path_problems(made):
            found.append(system.question(made, around))
    return found


def unasked(variables, around):
    """Why questions() asks nothing of some systems: the problems, each once."""
    found = []
    for name, system in SYSTEMS.items():
        made, problems = wish.read(variables, name)
        found += problems + (system.path_problems(made) if made else [])
    return list(dict.fromkeys(found))


def foretell(variables, facts, around):
    """What can be told before any look, from variables and facts that Ansible gathers: problems, warnings, and the archives, but for those of an
    accelerator that only the host itself finds. It goes before role model_mirror, which fetches for the whole fleet."""
    system = {"Windows": "windows", "Darwin": "macos"}.get(facts.get("os_family"), "linux")
    kernel = facts.get("kernel") or ""
    machine = {
        "system": system, "kernel": kernel, "architecture": facts.get("architecture") or "", "service_manager": facts.get("service_mgr") or "",
    }
    made, problems = wish.read(variables, system)
    problems = wish.platform_problems(machine) + problems
    if made:
        problems += (wish.problems(made, around) if made.state == "present" else []) + SYSTEMS[system].path_problems(made)
    if problems or made.state != "present":
        return Service(problems=problems, version=made.version if made else "")
    vendors = () if made.accelerators == ("auto",) else made.accelerators
    # JetPack 5 has kernel 5.10, JetPack 6 has 5.15.
    l4t = {"5.10": 35, "5.15": 36}.get(kernel[:4]) if "tegra" in kernel else None
    names = release.archives(system, wish.numbers(made.version), release.architecture(machine["architecture"]), vendors, l4t)
    archives = release.sources(made, around, names)
    return Service(
        problems=release.problems(made, archives), version=made.version, warnings=wish.warnings(made, around), archives=archives,
        steps={"install_dir": made.install_dir, "models_dir": made.models_dir, **release.mirror_steps(around, made.version)},
    )


def announced(made, variables):
    """What a host that foretell() answered for tells the fleet: the release that it will want, as a mirror is asked for it and as it comes there,
    and where its models lie."""
    wanted = {
        "version": made.version, "archives": [archive.name for archive in made.archives],
        "base_url": str(variables.get("ollama_download_base_url") or Wish.download_base_url),
    }
    return {
        "release": {**wanted, "checksum": str(variables.get("ollama_download_checksum") or "")},
        "download": {**wanted, "path": made.steps["install_dir"]},
        "models_dir": made.steps["models_dir"],
    }


def settled(host, variables, look, around):
    """The decision where it is that nothing is to be done, else None: what is wrong is for the role to refuse, when it comes to that host."""
    try:
        made = decide(host, variables, look, around)
    except look_schema.BadLook:
        return None
    return made if made.complete and not (made.problems or made.changes) else None


def serves(made, check_mode=False):
    """The fact of a host on which this decision has come true; in check mode it has not."""
    return {
        "version": made.steps["old_version"] if check_mode else made.version, "previous_version": made.steps["previous_version"],
        "url": made.addresses["url"], "rolled_back": False, "warnings": made.warnings,
    }


def decide(host, variables, look, around, release_only=False):
    """A Service of public variables and a look; with release_only, of nothing but the release. Raises look_schema.BadLook for a look that cannot
    be believed."""
    look_schema.check(host, look)
    system = SYSTEMS[look["system"]]
    if not look["is_root"]:
        # Without root the answers to all other questions are wrong as well.
        return Service(problems=[system.not_root(around)])
    made, problems = wish.read(variables, look["system"])
    problems = wish.platform_problems(look) + problems
    if made:
        problems += (wish.problems(made, around) if made.state == "present" else []) + system.path_problems(made)
    if problems:
        return Service(problems=problems)
    if made.state != "present":
        return system.remove(made, look)
    if release_only:
        # Only role model_mirror asks for it, and that one works on Linux alone.
        return _sound(made, linux.decide_release(made, look, around))
    if look["system"] in UNTOLD:
        around = inventory.with_controller(made, around)
    decision = system.decide(made, look, around)
    decision.warnings = wish.warnings(made, around) + store.warnings(made, look) + decision.warnings
    return _sound(made, decision)


def _sound(made, decision):
    """The decision, unless what it would have root run is vouched for by nobody."""
    doubts = [] if decision.problems else release.problems(made, decision.archives)
    return Service(problems=doubts) if doubts else decision
