# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table and the page as text; how the page behaves is tests/e2e/report/.

Without these tests a host could put a script or escape sequences into what the operator opens, the page could ask the network for
something, and the table could be wider than the terminal or hide the tag, which is the very thing that was chosen.
"""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
import unicodedata

import pytest
import recorded_runs as runs
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report import files, page, table, text

EVERY_HOST = {**runs.lab_hosts(), **runs.other_hosts()}
HOSTILE = "<script>alert(1)</script>\"' onload=alert(2) <img src=https://evil.example/x>"


class Tags(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def hostile_fleet():
    host = runs.linux(
        "13",
        runs.vram(runs.device(0, "nvidia", HOSTILE, 12288, 300, used_by=[(HOSTILE, 10)])),
        changes=[HOSTILE],
        others=(HOSTILE.replace(" ", ""),),
    )
    host["plan"]["models"][0].update(reason=HOSTILE, kv_cache_type=HOSTILE, placement=HOSTILE)
    host["plan"]["rejected"][0]["name"] = HOSTILE
    host["plan"]["warnings"] = [HOSTILE]
    host["version"] = HOSTILE
    host["failed"] = (HOSTILE, HOSTILE)
    return runs.document_of({HOSTILE: host}, run=runs.run(playbook=HOSTILE))


def test_what_hosts_say_is_text_and_never_markup():
    made = Tags(page.render(hostile_fleet()))
    assert [tag for tag, attrs in made.tags].count("script") == 1
    assert "img" not in [tag for tag, attrs in made.tags]
    assert not [attrs for tag, attrs in made.tags if any(name.startswith("on") for name in attrs)]


def test_the_page_asks_nobody_for_anything():
    written = page.render(runs.document_of(EVERY_HOST))
    made = Tags(written)
    addresses = [value for tag, attrs in made.tags for name, value in attrs.items() if name in ("src", "href", "action", "srcset", "data")]
    assert sorted(set(addresses) - {value for value in addresses if value.startswith("data:")}) == ["#hosts", "fleet.json"]
    assert not re.search(r"@import|url\((?!\"?data:|#)", written)
    policy = next(attrs["content"] for tag, attrs in made.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy


def test_the_policy_admits_exactly_the_style_and_script_of_the_page():
    """A wrong digest leaves a page without style or filter, which nobody would notice here."""
    written = page.render(runs.document_of(EVERY_HOST))
    for tag, kind in (("style", "style-src"), ("script", "script-src")):
        inside = re.search(rf"<{tag}>(.*?)</{tag}>", written, re.DOTALL).group(1)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{kind} &#39;sha256-{digest}&#39;" in written
    assert not [attrs for tag, attrs in Tags(written).tags if "style" in attrs], "inline style attributes are blocked by the policy"


def test_the_drawn_bars_add_up():
    """The figures that are drawn, not those of the document: rounding or a lost segment in the template would show here."""
    bars, current = [], None
    for tag, attrs in Tags(page.render(runs.document_of(EVERY_HOST))).tags:
        if "data-total" in attrs:
            current = {"total": int(attrs["data-total"]), "bytes": 0, "width": 0.0, "end": 0.0}
            bars.append(current)
        elif tag == "rect" and "data-bytes" in attrs:
            assert float(attrs["x"].rstrip("%")) == pytest.approx(current["end"], abs=1e-3)
            current["bytes"] += int(attrs["data-bytes"])
            current["end"] = float(attrs["x"].rstrip("%")) + float(attrs["width"].rstrip("%"))
    assert len(bars) == 14
    for gauge in bars:
        assert gauge["bytes"] == gauge["total"] and gauge["end"] == pytest.approx(100, abs=0.01)


def test_the_page_tells_what_was_asked_for():
    written = page.render(runs.document_of(EVERY_HOST))
    for told in (
        "14b fits 11.6 GiB at 8192 tokens",
        "8,192 tokens",
        "measured",
        "OLLAMA_CONTEXT_LENGTH=8192",
        "Short by",
        "llama3.2:3b is installed and not planned",
        "No route to host",
        "Open WebUI 0.12.4",
        "310.0 GiB free of 480.0 GiB",
        "Unpack the release",
        "2 min 08 s",
    ):
        assert told in written, told


def test_check_mode_is_told_on_the_page():
    written = page.render(runs.document_of(EVERY_HOST, run=runs.run(check_mode=True)))
    assert "check mode, nothing was changed" in written and "would change 5" in written


def test_an_empty_fleet_still_makes_a_page_and_a_table():
    fleet = runs.document_of({})
    assert "Fleet report" in page.render(fleet) and "FLEET" in table.render(fleet, 100)


# -- table -----------------------------------------------------------------------------------------------------------------


def shown_width(line):
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)


@pytest.mark.parametrize("width", [76, 80, 100, 160])
def test_the_table_is_never_wider_than_the_terminal_and_always_shows_figures_and_tags(width):
    lines = table.render(runs.document_of(EVERY_HOST), width, ["reports/fleet.html"]).splitlines()
    assert max(shown_width(line) for line in lines) <= width
    line = next(line for line in lines if line.startswith("lab-3060") and "gpu" in line)
    assert all(told in line for told in ("14b", "8192", "11.0/11.6", "0.32.15", "changed 5"))
    assert lines[-1] == "report: reports/fleet.html"


def test_wide_characters_keep_the_columns_straight():
    machine = runs.vram(runs.device(0, "nvidia", "NVIDIA GeForce RTX 3060", 12288, 378))
    fleet = runs.document_of({"ギガ": runs.linux("13", machine), "host": runs.linux("13", machine)})
    lines = [line for line in table.render(fleet, 100).splitlines() if "RTX 3060" in line]
    columns = [shown_width(line[: line.index("RTX 3060")]) for line in lines]
    assert len(columns) == 2 and columns[0] == columns[1]


def test_escape_sequences_of_a_host_do_not_reach_the_terminal():
    host = runs.linux("13", runs.vram(), changes=["\x1b[2Jgone"])
    host["failed"] = ("\x1b]0;title\x07Task", "line one\nline two\x1b[31m")
    said = table.render(runs.document_of({"host": host}), 100)
    assert "\x1b" not in said and "\x07" not in said and "line one line two" in said


def test_colour_only_where_it_is_given_and_only_on_the_state():
    fleet = runs.document_of({"lab-3060": EVERY_HOST["lab-3060"]})
    plain = table.render(fleet, 100)
    painted = table.render(fleet, 100, colour=lambda words, name: f"<{name}>{words}</>")
    assert "<yellow>changed 5" in painted and re.sub(r"</?\w*>", "", painted).replace(" ", "") == plain.replace(" ", "")


def test_a_kept_row_has_its_date_and_no_sentence():
    """Forty sentences of other hosts would bury the one that a limited run is about."""
    before = runs.document_of(EVERY_HOST, run=runs.run(finished="2026-11-23T09:01:00Z"))
    said = table.render(runs.document_of({"lab-cpu": EVERY_HOST["lab-cpu"]}, previous=before, inventory=list(EVERY_HOST)), 100)
    assert "changed 11-23" in said and "32b would need" not in said and "7 from earlier runs" in said


# -- files and words -------------------------------------------------------------------------------------------------------


def test_files_are_replaced_whole(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError("disk full")

    path = tmp_path / "deep/er/fleet.json"
    files.write(str(path), "old")
    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        files.write(str(path), "new")
    assert path.read_text() == "old" and [entry.name for entry in path.parent.iterdir()] == ["fleet.json"]


def test_files_are_readable_by_those_whom_the_umask_admits(tmp_path):
    """mkstemp makes files for the owner alone; a report in a shared folder would be unreadable for the web server that shows it."""
    files.write(str(tmp_path / "fleet.html"), "x")
    (tmp_path / "other").write_text("x")
    assert (tmp_path / "fleet.html").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("damaged", [b"", b"{", b"\xff\xfe"])
def test_a_damaged_history_is_no_history(tmp_path, damaged):
    (tmp_path / "fleet.json").write_bytes(damaged)
    assert files.read_json(str(tmp_path / "fleet.json")) is None


def test_json_reads_back():
    fleet = runs.document_of(EVERY_HOST)
    assert json.loads(page.as_json(fleet)) == fleet


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("NVIDIA GeForce RTX 3060", "RTX 3060"),
        ("AMD Radeon RX 7900 XTX", "RX 7900 XTX"),
        ("Intel(R) Arc(TM) A770 Graphics", "Arc A770"),
        ("Apple M4 Max", "M4 Max"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA Graphics", "NVIDIA Graphics"),
        (None, "unnamed"),
    ],
)
def test_cards_have_the_name_that_people_use(name, short):
    assert text.short_card_name(name) == short


@pytest.mark.parametrize(
    ("size", "told"),
    [(None, "?"), (0, "0.0 GiB"), (430_000, "420 KiB"), (50 * 1024**2, "50 MiB"), (1024**3, "1.0 GiB"), (-(2**31), "-2.0 GiB")],
)
def test_bytes_in_gib(size, told):
    assert text.gib(size) == told


@pytest.mark.parametrize(("time", "told"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (128.3, "2 min 08 s"), (7260, "2 h 01 min"), (59.9, "60 s")])
def test_times(time, told):
    assert text.seconds(time) == told
