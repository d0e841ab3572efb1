# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-test sanity on an export of the collection.

ansible-test refuses a checkout that is reached through a link, and wants …/ansible_collections/<namespace>/<name>; so what git
knows of the working tree, less the link itself, is copied under .cache/sanity. It also fetches pip's bootstrap script from a
host of its own; a small script that runs the same pip from PyPI takes that place.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".cache" / "sanity"
EXPORT = WORK / "ansible_collections" / "llmfleet" / "ollama"
OLDEST = "3.9"  # what README.md promises for targets

GET_PIP = '''\
import runpy, sys
sys.path.insert(0, {wheel!r})
sys.argv = ["pip", "install"] + [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
'''


def export(target: Path = EXPORT) -> None:
    """Copies every file that git tracks, or would track, into the place where ansible-test wants it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    shutil.rmtree(target, ignore_errors=True)
    for name in filter(None, listed):
        source, copy = ROOT / name, target / name
        # Tests, lab and tools are not part of what users install: galaxy.yml leaves them out as well, and the linters of test_checks.py read them.
        if name.split("/")[0] in ("collections", "tests", "lab", "bench", "molecule", ".ci", ".github", ".config", "noxfile.py") or not source.is_file():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, copy)
    # Outside a git tree ansible-test looks at every file, caches included.
    for command in (["git", "init", "-q"], ["git", "add", "--all"]):
        subprocess.run(command, cwd=target, check=True, capture_output=True)


def seed_pip(home: Path) -> None:
    """Puts the stand-in for get-pip.py where each ansible-core looks for it."""
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    import ansible_test._internal.python_requirements as requirements

    text = Path(requirements.__file__).read_text(encoding="utf-8")
    version = text.split("pip='", 1)[1].split("'", 1)[0]
    script = cache / ("get_pip_%s.py" % version.replace(".", "_"))
    if not script.exists():
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(cache), "pip==" + version], check=True
        )
        wheel = next(cache.glob("pip-%s-*.whl" % version))
        script.write_text(GET_PIP.format(wheel=str(wheel)), encoding="utf-8")


def oldest_python() -> str | None:
    """Where the oldest Python is that targets may have, for ansible-test (version@path); None on a machine without it."""
    found = shutil.which("python" + OLDEST)
    # A version manager leaves commands for Pythons that it does not run.
    if not found or subprocess.run([found, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode:
        return None
    return "%s@%s" % (OLDEST, found)


def run() -> subprocess.CompletedProcess:
    """The finished ansible-test, with both outputs in stdout."""
    export()
    home = WORK / "home"
    seed_pip(home)
    # Without PowerShell validate-modules can't read a .ps1 module and crashes; the Windows workflow has one and reads it.
    excluded = [] if shutil.which("pwsh") else [
        word for path in sorted((EXPORT / "plugins" / "modules").glob("*.ps1")) for word in ("--exclude", str(path.relative_to(EXPORT)))
    ]
    own = "%d.%d" % sys.version_info[:2]
    pythons = ["--controller", "origin:python=venv/" + own, "--target-python", own]
    oldest = oldest_python()
    if oldest:
        pythons += ["--target-python", oldest]
    command = ["nice", "-n", "5", "ansible-test", "sanity", *pythons, "--color", "no", *excluded]
    environment = dict(os.environ, HOME=str(home), ANSIBLE_CONFIG="/dev/null")
    environment["PATH"] = str(Path(sys.executable).parent) + os.pathsep + environment["PATH"]
    environment.pop("PYTHONPATH", None)
    return subprocess.run(command, cwd=EXPORT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


if __name__ == "__main__":
    done = run()
    print(done.stdout)
    sys.exit(done.returncode)
