# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two checkouts on one machine: deleted, the second one would work for minutes and end with "Permission denied" by the first one's hosts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from llmfleet_lab import checkout, common, engine
from support import ROOT

import lab


class Engine:
    """The docker command of a machine with these containers, by name, each with the folder on its label."""

    def __init__(self, containers, volumes=(), state="running"):
        self.containers, self.volumes, self.state = dict(containers), list(volumes), state

    def __call__(self, *words):
        if words[0] == "ps":
            return "".join(f"{name}\t{self.state}\t{folder}\n" for name, folder in self.containers.items())
        if words[0] == "rm":
            for name in words[3:]:
                self.containers.pop(name)
            return ""
        if words[:2] == ("volume", "ls"):
            return "\n".join(self.volumes)
        assert words[:3] == ("volume", "rm", "--force"), words
        self.volumes = [name for name in self.volumes if name not in words[3:]]
        return ""


@pytest.fixture(autouse=True)
def undecided(monkeypatch):
    monkeypatch.delenv(checkout.VARIABLE, raising=False)


def test_another_checkouts_lab_is_named_with_both_ways_out(tmp_path):
    """Who reads this must know whose lab it is, and have the command for either decision."""
    machine = Engine({"lab-hub": str(tmp_path), "lab-cpu": str(tmp_path)})
    with pytest.raises(common.LabError) as refused:
        checkout.make_room("make demo TAKE_OVER=1", machine)
    for words in (f"the lab of {tmp_path}", "lab-cpu, lab-hub", f"`make clean` in {tmp_path}", "`make demo TAKE_OVER=1`"):
        assert words in str(refused.value)
    assert len(machine.containers) == 2


def test_the_own_lab_and_an_empty_machine_are_no_reason_to_stop():
    """Each start would have to be forced."""
    for containers in ({}, {"lab-hub": checkout.HERE}):
        machine = Engine(containers, ["lab-hub-docker"])
        checkout.make_room("make demo TAKE_OVER=1", machine)
        assert machine.containers == containers and machine.volumes == ["lab-hub-docker"]


def test_with_the_word_for_it_the_other_lab_makes_room(tmp_path, monkeypatch):
    """Left volumes would hand the other checkout's accounts to this one, whose password does not fit them."""
    monkeypatch.setenv(checkout.VARIABLE, "1")
    machine = Engine({"lab-hub": str(tmp_path), "lab-upstream": str(tmp_path)}, ["lab-hub-docker", "lab-cpu-models"])
    checkout.make_room("make demo TAKE_OVER=1", machine)
    assert machine.containers == {} and machine.volumes == []


def test_a_lab_whose_folder_is_gone_needs_no_word(tmp_path, capsys):
    """`make clean` cannot be run in a folder that somebody removed, so the advice would lead nowhere."""
    machine = Engine({"lab-hub": str(tmp_path / "removed")})
    checkout.make_room("make demo TAKE_OVER=1", machine)
    assert machine.containers == {} and "a folder that is gone" in capsys.readouterr().out


def test_a_lab_that_does_not_run_makes_room_without_a_word(tmp_path, capsys):
    """CI runs in a folder of its own on a machine where a lab of another one stopped with its engine: the run would end before it began."""
    machine = Engine({"lab-hub": str(tmp_path), "lab-cpu": str(tmp_path)}, ["lab-hub-docker"], state="exited")
    checkout.make_room("make test TAKE_OVER=1", machine)
    assert machine.containers == {} and machine.volumes == [] and "of which nothing runs" in capsys.readouterr().out


def test_without_an_engine_there_is_no_lab(monkeypatch, tmp_path):
    """The first `make demo` on a bare machine has no docker command, and after a reboot none that gets an answer."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checkout.others() == {}
    (tmp_path / "docker").write_text("#!/bin/sh\necho Cannot connect to the Docker daemon >&2; exit 1\n")
    (tmp_path / "docker").chmod(0o755)
    assert checkout.others() == {}
    with pytest.raises(common.LabError, match="Cannot connect"):
        checkout.docker("rm", "--force", "lab-hub")


def test_every_container_says_whose_it_is():
    """A container without the mark is found by its name and takes the other checkout's key for its own."""

    class Containers:
        def run(self, *_words, **options):
            return options["labels"]

    class Client:
        containers = Containers()
        api = type("Api", (), {"create_endpoint_config": staticmethod(lambda **_words: {})})

    assert engine.create(Client(), "lab-x", "image", "172.30.77.9", [])[checkout.CHECKOUT_LABEL] == checkout.HERE


@pytest.mark.parametrize("goal", ["demo", "test", "site", "molecule"])
def test_make_says_so_before_it_does_anything(goal, tmp_path):
    """The sentence is worth little after the minutes that an environment and images take; asked with the system's Python, where no environment is."""
    tools = tmp_path / "bin"
    tools.mkdir()
    fake = tools / "docker"
    fake.write_text(f'#!/bin/sh\n[ "$1" = ps ] && printf "lab-hub\\trunning\\t{tmp_path}\\n"\n')
    fake.chmod(0o755)
    copy = tmp_path / "second"
    copy.mkdir()
    for name in ("lab", "Makefile"):
        (copy / name).symlink_to(ROOT / name)
    (tools / "python3").symlink_to(sys.executable)
    # Not as a part of the `make test` that runs this: a sub-make tells of its folder on stdout.
    mine = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    environment = {**mine, "PATH": f"{tools}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(["make", goal], cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2 and done.stdout == ""
    assert f"make {goal}: the lab of {tmp_path}" in done.stderr and f"`make {goal} TAKE_OVER=1`" in done.stderr
    assert not (copy / ".cache").exists()


def test_clean_leaves_another_checkouts_lab_alone(tmp_path, monkeypatch):
    """Images and network are shared: who tidies up a clone must not take the machines from under the other one."""
    cache = tmp_path / "cache"
    (cache / "wheels").mkdir(parents=True)
    monkeypatch.setattr(lab, "CACHE", cache)
    monkeypatch.setattr(lab.engine, "find", object)  # an engine of which nothing can be asked
    monkeypatch.setattr(lab.checkout, "others", lambda: {str(tmp_path): ["lab-hub"]})
    assert f"belong to the lab of {tmp_path}" in lab.command_clean(None)
    assert not cache.exists()
