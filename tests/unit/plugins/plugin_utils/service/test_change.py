# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record that a cut-off run has left, and what answers: what the next run does, goes back to, and says.

Deleted, the server that an upgrade broke would stay down through every further run, and each would say that the one from before goes on.
"""

from __future__ import annotations

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service import change, failure, linux
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.contract import Around
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.service.decide import decide
from looks import bare
from test_linux import BASE, CURRENT, running, with_file, without

URL = "http://127.0.0.1:11434"
BEFORE = {"release": "0.31.0", "previous": "0.30.0", "version": "0.31.0", "url": URL, "had_server": True, "releases": ["0.30.0", "0.31.0"]}
SINCE = 1764280800
BEGUN = "anna@desk began at 2025-11-27 22:00 UTC"


def left(look, asked="0.32.15", tried=(), missing=(), **before):
    """The same host, on which a run was cut off."""
    record = {
        "since": SINCE, "by": "anna@desk", "asked": asked, "tried": [*tried, asked], "missing": list(missing), "before": {**BEFORE, **before},
    }
    return {**look, "change": {"record": record, "holder": None}}


def answers(look, version):
    return {**look, "api": {"version": version, "models": None, "running": None}}


def decided(look, check_mode=False, **variables):
    around = Around("here", "10.0.0.1", account="me", groups={"ollama": ["here"]}, check_mode=check_mode)
    return decide("here", {"ollama_version": "0.32.15", **variables}, look, around)


# What the link names, what the cut-off run asked for, what answers -> whether it restarts, what is removed after the proof, the link previous.
STATES = {
    "cut before the link": (with_file(BASE, CURRENT, target="0.31.0"), "0.32.15", "0.31.0", True, ["0.30.0"], True),
    "cut before the restart": (with_file(BASE, CURRENT, changed_at=300), "0.32.15", "0.31.0", True, ["0.30.0"], True),
    "cut before the proof": (BASE, "0.32.15", "0.32.15", False, ["0.30.0"], True),
    "cut while a broken release is proved": (BASE, "0.32.15", None, True, ["0.30.0"], True),
    "another one is asked for now": (with_file(BASE, CURRENT, target="9.1.2"), "9.1.2", None, True, ["0.30.0", "9.1.2"], True),
    "the link leads nowhere": (without(BASE, CURRENT), "0.32.15", None, True, ["0.30.0"], True),
}


@pytest.mark.parametrize("state", STATES)
def test_the_record_says_what_to_go_back_to(state):
    """Whatever the link says by now: it may name the release that does not work."""
    look, asked, answer, restart, removed, moved = STATES[state]
    made = decided(left(answers(look, answer), asked))
    steps = made.steps
    assert made.changes[0] == "finish what %s" % BEGUN and not made.problems
    assert (made.restart, steps["start"], steps["remove_releases"], steps["moved"]) == (restart, restart, removed, moved)
    assert (steps["old_version"], steps["previous_version"], steps["had_server"], steps["open"]) == ("0.31.0", "0.31.0", True, True)
    assert made.before == {"version": "0.31.0", "url": URL} and steps["back_url"] == URL
    assert steps["failed_releases"] == list(dict.fromkeys([asked, "0.32.15"]))


def test_the_old_release_asked_for_again():
    """Somebody writes the old version back instead of waiting: what was tried goes, and the link previous stays."""
    look = with_file(with_file(BASE, CURRENT, target="9.1.2"), "/opt/ollama/previous", kind="link", target="0.30.0")
    made = decided(left(answers(look, None), "9.1.2", release="0.32.15", releases=["0.30.0", "0.32.15"]))
    assert made.restart and not made.steps["moved"] and made.steps["remove_releases"] == ["9.1.2"] and made.steps["previous_version"] == "0.30.0"


def test_a_host_without_a_record_is_as_ever():
    assert decided(BASE).changes == [] and not decided(BASE).steps["open"] and change.of_record(BASE) is None


def test_a_first_installation_that_was_cut_off():
    made = decided(left(BASE, release="", previous="", version="", url="", had_server=False, releases=[]))
    assert not made.steps["had_server"] and made.before is None and not made.steps["moved"] and made.steps["remove_releases"] == []
    assert "before that there was no server" in made.warnings[0] and made.warnings[0].endswith("and takes it away again if that does not answer.")


def test_a_door_of_the_cut_off_run_goes_with_it():
    assert decided(left(BASE, missing=[linux.DOOR_UNIT])).steps["door_is_new"] and not decided(left(BASE)).steps["door_is_new"]


SENTENCES = {
    "nothing": (None, "before that there was Ollama 0.31.0, and now nothing answers at %s." % URL),
    "the old one": ("0.31.0", "and now 0.31.0 answers at %s." % URL),
    "the new one": ("0.32.15", "and now 0.32.15 answers at %s." % URL),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_people_are_told_what_was_asked_and_what_answers(case):
    answer, sentence = SENTENCES[case]
    said, = decided(left(answers(BASE, answer), "9.1.2")).warnings
    assert said.startswith("anna@desk began to bring Ollama 9.1.2 to this host at 2025-11-27 22:00 UTC and did not come to an end; ") and sentence in said
    assert said.endswith("This run goes on to 0.32.15, and has the server from before back if that does not answer.")


def test_a_dry_run_says_that_another_one_goes_on():
    """Deleted, who tries a run with --check on a host that was cut off would read that it is mended now."""
    for look in (left(BASE, "9.1.2"), left(BASE, "9.1.2", had_server=False)):
        said, = decided(look, check_mode=True).warnings
        assert ". A run without --check goes on to 0.32.15, and " in said and said.endswith(" if that does not answer.") and "This run" not in said


def test_a_refusal_says_it_too():
    """The run changes nothing, and somebody who reads only that would think that all is well."""
    made = decided({**left(answers(BASE, None)), "port_owner": "python3"})
    assert made.problems[0].id == "port_taken" and "nothing answers" in made.warnings[0]


@pytest.mark.parametrize("name", ["../../etc", "0.31.0/../..", "current", "", "-rf"])
def test_nothing_but_a_release_becomes_a_path(name):
    """The record is root's; but a path that is removed is made of it."""
    made = decided(left(BASE, tried=[name], release=name, previous=name))
    assert name not in made.steps["remove_releases"] + made.steps["failed_releases"] and made.steps["old_version"] == ""


def test_a_release_that_was_there_before_is_not_removed():
    made = decided(left(BASE, "0.32.15", tried=["0.31.9", "9.1.2"], releases=["0.30.0", "0.31.0", "0.31.9"]))
    assert made.steps["remove_releases"] == ["0.30.0", "9.1.2"] and made.steps["failed_releases"] == ["9.1.2", "0.32.15"]


def test_what_a_cut_off_run_has_fetched_goes():
    """Deleted: a first installation that was cut off behind the release's name would leave its archives, gigabytes of them, for ever."""
    made = decided(left(BASE, "0.32.15", tried=["9.1.2"]))
    assert made.steps["remove"] == ["/opt/ollama/.9.1.2.part", "/opt/ollama/.0.32.15.part"] and decided(BASE).steps["remove"] == []
    assert [text for text in made.changes if ".part" in text] == []


def failed(look, result=None, back=None, touched=True):
    made = decided(look).to_dict()
    return failure.Attempt(
        system="linux", service=made, version="0.32.15", port=11434, seconds=8, proof={}, back=back or {}, task="Fetch", result=result or {}, touched=touched,
    )


PROVED = {"version": "0.31.0", "status": 200}
NOT_HAD = {"msg": "Ollama 0.32.15 (ollama_version) could not be had.", "fetching": True}
# how it failed -> the record goes, a first installation is taken away, the end of what is said
ENDS = {
    "back": (failed(left(BASE), {"msg": "no"}, PROVED), True, False, "0.31.0 is back and serves at %s." % URL),
    "not back": (failed(left(BASE), {"msg": "no"}, {"version": "", "status": 0}), False, False, "The files of 0.31.0 are back, but it does not answer."),
    "the new one answers still": (
        failed(left(BASE), {"msg": "no"}, {"version": "0.32.15", "status": 200}), False, False,
        "The files of 0.31.0 are back, but at %s a server answers with version 0.32.15." % URL,
    ),
    "no such release, cut off before": (failed(left(BASE), NOT_HAD, PROVED), True, False, "could not be had. 0.31.0 is back and serves at %s." % URL),
    "no such release": (failed(BASE, NOT_HAD, touched=False), True, False, "could not be had."),
    "no such release, first": (failed(bare("linux"), NOT_HAD, touched=False), True, False, "could not be had."),
    "no such release, first, cut off before": (
        failed(left(BASE, had_server=False, url=""), NOT_HAD), True, True,
        "could not be had. There was no server before, so nothing runs now; the models directory stays.",
    ),
    "first": (failed(bare("linux"), {"msg": "no"}), True, True, "There was no server before, so nothing runs now; the models directory stays."),
    "nothing answered before either": (
        failed(left({**BASE, "service": running()}, url="", version="")), True, False, "are back, but it does not answer, as it did not before.",
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_the_record_stays_until_something_is_proved(case):
    happened, proved, taken_away, said = ENDS[case]
    assert failure.told(happened).endswith(said)
    assert (failure.is_proved(happened), failure.is_taken_away(happened)) == (proved, taken_away)


def test_what_could_not_be_had_promises_nothing_on_a_host_that_was_cut_off():
    service = decided(left(answers(BASE, None))).to_dict()
    assert failure.not_fetched(service, "0.32.15", "", {"msg": "404"}).endswith("choose another ollama_download_base_url.")
