# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report page in a real browser, at desk and phone width, light and dark.

Without these tests the page's own security policy could switch off its style or its script, text could run out of a phone's screen, and
filter, sorting or printing could be dead, and every other test would still pass. The pictures lie in tests/output/report/.
"""

from __future__ import annotations

import base64
import re
import shutil

import pytest
from ansible_collections.llmfleet.ollama.plugins.plugin_utils.report import page
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from support import ROOT
from support import recorded_runs as runs

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
assert CHROMIUM and DRIVER, "needs chromium and chromedriver: apt-get install chromium chromium-driver"

OUTPUT = ROOT / "tests/output/report"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --hide-scrollbars"
)
HOSTILE = "<img src=x onerror=document.title='owned'>" + "w" * 90
WIDTHS = {"desk": 1280, "tablet": 834, "phone": 390, "small": 360}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Eight hosts of all kinds, one with a hostile and far too long name, two from an earlier run."""
    everyone = {
        **runs.lab_hosts(),
        **runs.other_hosts(),
        HOSTILE: runs.linux("13", runs.vram(runs.device(0, "amd", HOSTILE, 16384)), changes=[HOSTILE]),
    }
    before = runs.document_of(everyone, run=runs.run(finished="2026-11-23T09:01:00Z"))
    now = {name: host for name, host in everyone.items() if name not in ("h100x8", "mac-studio")}
    path = tmp_path_factory.mktemp("report") / "fleet.html"
    path.write_text(page.render(runs.document_of(now, previous=before, inventory=runs.inventory_of(everyone))), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def load(driver, path, width=1280, dark=False):
    driver.get_log("performance")
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": scheme})
    driver.get(path.as_uri())
    return driver


@pytest.fixture
def browser(chromium, written):
    return load(chromium, written)


def names(driver):
    return [host.get_attribute("data-name") for host in driver.find_elements(By.CSS_SELECTOR, ".host") if host.is_displayed()]


def picture(driver, name):
    OUTPUT.mkdir(parents=True, exist_ok=True)
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
    (OUTPUT / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_no_error_no_request_and_nothing_runs_out_of_the_screen(chromium, written, width, dark, request):
    driver = load(chromium, written, width, dark)
    picture(driver, request.node.callspec.id)
    driver.execute_script("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert driver.execute_script("return document.documentElement.scrollWidth") == width
    outside = driver.execute_script(
        "return Array.from(document.querySelectorAll('main *, header *, footer *'))"
        ".filter((part) => !part.closest('.scroll, svg') && part.getBoundingClientRect().right > innerWidth + 0.5)"
        ".map((part) => part.tagName + '.' + part.className)"
    )
    assert outside == []
    assert driver.get_log("browser") == []
    asked = re.findall(
        r'"url":"(?!data:|chrome:)([^"]+)"',
        " ".join(entry["message"] for entry in driver.get_log("performance") if "requestWillBeSent" in entry["message"]),
    )
    assert {address for address in asked if not address.startswith(written.as_uri())} == set()
    assert driver.title.startswith("Fleet report")
    ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(244, 245, 248)") != dark, "the style sheet is in force and follows the reader's scheme"


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_drawn_bars_fill_their_cards(chromium, written, width):
    driver = load(chromium, written, width)
    drawn = driver.execute_script(
        "return Array.from(document.querySelectorAll('svg.bar')).map((bar) => ({"
        " width: bar.getBoundingClientRect().width, total: Number(bar.dataset.total),"
        " parts: Array.from(bar.querySelectorAll('rect')).map((part) => [part.getBBox().width, Number(part.dataset.bytes)])}))"
    )
    assert len(drawn) == 16
    for gauge in drawn:
        assert gauge["width"] > 100
        assert sum(size for wide, size in gauge["parts"]) == gauge["total"]
        assert sum(wide for wide, size in gauge["parts"]) == pytest.approx(gauge["width"], abs=0.5)


def test_filter_by_words_state_and_vendor(browser):
    everyone = names(browser)
    assert len(everyone) == 10
    search = browser.find_element(By.ID, "search")
    search.send_keys("3090 debian")
    assert names(browser) == ["lab-3090x2"]
    assert browser.find_element(By.ID, "shown").text == "1 of 10 hosts"
    search.clear()
    search.send_keys("nothing like this")
    assert names(browser) == [] and "No host matches." in browser.find_element(By.ID, "hosts").text
    search.clear()
    search.send_keys(" " + Keys.BACKSPACE)
    assert names(browser) == everyone
    browser.find_element(By.CSS_SELECTOR, "input[value=failed]").click()
    assert names(browser) == ["win-4090"]
    browser.find_element(By.CSS_SELECTOR, "input[name=state][value='']").click()
    Select(browser.find_element(By.ID, "vendor")).select_by_value("apple")
    assert names(browser) == ["mac-studio"]


def test_sort(browser):
    sort = Select(browser.find_element(By.ID, "sort"))
    inventory = names(browser)
    sort.select_by_value("-memory")
    assert names(browser)[:3] == ["h100x8", "mac-studio", "lab-3090x2"]
    sort.select_by_value("trouble")
    assert names(browser)[:2] == ["attic", "win-4090"]
    sort.select_by_value("-seconds")
    assert names(browser)[0] == "lab-3060"
    sort.select_by_value("name")
    assert names(browser)[1:] == sorted(names(browser)[1:])
    sort.select_by_value("order")
    assert names(browser) == inventory


def test_keyboard_alone_reaches_search_filter_and_details(browser):
    """Tab from the top: skip link, JSON, the web UI, search, states, vendor, sort; then the first fold, which opens with Enter."""
    body = browser.find_element(By.TAG_NAME, "body")
    met = []
    for _step in range(10):
        browser.switch_to.active_element.send_keys(Keys.TAB) if met else body.send_keys(Keys.TAB)
        active = browser.switch_to.active_element
        met.append(active.get_attribute("id") or active.get_attribute("name") or active.get_attribute("class") or active.tag_name)
    assert met[:7] == ["skip", "quiet", "a", "search", "state", "vendor", "sort"]
    assert met[7] == "summary"
    fold = browser.find_element(By.CSS_SELECTOR, ".host details")
    fold.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    assert fold.get_attribute("open") is not None


def test_readers_hear_what_the_bars_show(browser):
    labels = [gauge.accessible_name for gauge in browser.find_elements(By.CSS_SELECTOR, "svg.bar")]
    assert any(label.startswith("NVIDIA GeForce RTX 3060: Weights 8.0 GiB, KV cache 1.5 GiB") for label in labels)
    assert all(labels)
    unnamed = [control.tag_name for control in browser.find_elements(By.CSS_SELECTOR, "input, select, a, summary") if not control.accessible_name]
    assert unnamed == []


def test_text_has_contrast_in_both_schemes(chromium, written):
    """WCAG AA: 4.5 for text this small, against the nearest ground that is painted."""
    script = """
      const channel = (value) => { value /= 255; return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
      const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
      const parse = (text) => text.match(/[\\d.]+/g).map(Number);
      const srgb = (text) => text.startsWith('color(srgb') ? parse(text.slice(10)).map((v, i) => i < 3 ? v * 255 : v) : parse(text);
      const ground = (part) => {
        const painted = srgb(getComputedStyle(part).backgroundColor);
        return painted.length < 4 || painted[3] > 0.9 ? painted : ground(part.parentElement);
      };
      const poor = new Set();
      document.querySelectorAll('p, span, b, h1, h2, h3, li, td, th, summary, dt, dd, label, code, a, strong, em').forEach((part) => {
        if (!part.offsetParent || !Array.from(part.childNodes).some((node) => node.nodeType === 3 && node.textContent.trim())) return;
        const [a, b] = [light(srgb(getComputedStyle(part).color)), light(ground(part))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) poor.add(part.tagName + '.' + part.className + ' ' + ratio.toFixed(2));
      });
      return Array.from(poor);
    """
    for dark in (False, True):
        assert load(chromium, written, dark=dark).execute_script(script) == []


def test_everything_is_unfolded_on_paper_and_folded_again(browser):
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert not browser.find_elements(By.CSS_SELECTOR, "details:not([open])")
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert not browser.find_elements(By.CSS_SELECTOR, "details[open]")
