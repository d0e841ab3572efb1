# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look is believed only when it is whole.

Deleted, a host with an old module, or one that answers nonsense, would end in a traceback of the decision that names no host.
"""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils import look_schema
from looks import bare, there


@pytest.mark.parametrize("system", look_schema.SYSTEMS)
def test_a_whole_look_passes_as_it_is(system):
    look = bare(system, files=[there("/x"), there("/y", "link", target="x")])
    assert look_schema.check("gpu1", look) is look


def every_field():
    for system in look_schema.SYSTEMS:
        for name in look_schema.SCHEMAS[system].fields:
            yield system, name


@pytest.mark.parametrize("system, name", list(every_field()))
def test_a_missing_field_is_named_with_its_host(system, name):
    look = bare(system)
    del look[name]
    said = look_schema.complaint("gpu1", look)
    assert said.startswith("What gpu1 says of itself cannot be used: look.%s is missing" % name)


WRONG = {
    "nothing": (None, "look is null"),
    "a text": ("abc", "look is 'abc', not named values"),
    "another schema": (bare("linux", schema=2), "look.schema is 2, and this controller reads 1"),
    "another system": (dict(bare("linux"), system="beos"), "look.system is 'beos', not one of linux, macos, windows"),
    "a null": (bare("linux", kernel=None), "look.kernel is null"),
    "a text for a flag": (bare("linux", store={"denied": "yes"}), "look.store.denied is 'yes', not true or false"),
    "a text for a number": (bare("linux", service={"pid": "17"}), "look.service.pid is '17', not a whole number"),
    "a flag for a number": (bare("linux", service={"pid": True}), "look.service.pid is True, not a whole number"),
    "no list": (bare("linux", tools="zstd"), "look.tools is 'zstd', not a list"),
    "deep in a list": (bare("linux", files=[there("/x"), there("/y", mode=644)]), "look.files[1].mode is 644, not a text"),
    "a kind that is none": (bare("linux", files=[there("/x", "socket")]), "look.files[0].kind is 'socket', not one of"),
    "long nonsense": (bare("linux", kernel=["x" * 500]), "..."),
    "a door of another system": ({**bare("macos"), "door": bare("linux")["door"]}, "look.door.loaded is missing"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_field_is_named_with_what_it_says(name):
    look, wanted = WRONG[name]
    said = look_schema.complaint("gpu1", look)
    assert said.startswith("What gpu1 says of itself cannot be used: ") and wanted in said and len(said) < 240
    with pytest.raises(look_schema.BadLook, match="gpu1"):
        look_schema.check("gpu1", look)


def test_a_host_without_root_need_not_say_more():
    assert look_schema.complaint("gpu1", {"schema": 1, "system": "windows", "is_root": False}) is None


def test_a_field_that_nobody_asked_for_is_ignored():
    assert look_schema.complaint("gpu1", dict(bare("linux"), newer="thing")) is None


def test_a_reader_that_failed_is_named_with_its_reason():
    """Null for "nobody listens" and null for "could not be told" must not be mixed up: the role would take a port that is taken."""
    failed = [{"field": "resolved webui", "why": "no answer in time"}, {"field": "manifests", "why": "no answer in time"}]
    # All of the time went by with the first names of a silent name server: the others do not resolve either, and the decision says so.
    failed.append({"field": "names", "why": "no answer within 20 s"})
    assert look_schema.complaint("gpu1", bare("linux", failed=failed)) is None
    said = look_schema.complaint("gpu1", bare("linux", service=None, failed=[*failed, {"field": "service", "why": "no answer in time"}]))
    assert said == "gpu1 cannot say what is to be known of its service (no answer in time); look into that there, then run this again."
