# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chat through any Open WebUI as people do: a headless Chromium signs in, picks a model, asks, and watches the answer grow.

    tests/e2e/browser/chat.py --url http://172.30.77.10:3000 --email admin@lab.example --password-file .cache/lab/open-webui-password \\
        --model lab-3060.deepseek-r1:14b --pictures tests/output/chat
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1280,900",
)  # fmt: skip


MODEL = "[role=option][data-value]"


@dataclass
class Answer:
    """What came back, and how its length grew while it was looked at."""

    text: str
    lengths: list[int] = field(default_factory=list)

    @property
    def streamed(self) -> bool:
        return len({length for length in self.lengths if length}) > 1


class Page:
    """Open WebUI in one browser session."""

    def __init__(self, driver: webdriver.Chrome, url: str, pictures: Path, patience: float) -> None:
        self.driver = driver
        self.url = url.rstrip("/")
        self.pictures = pictures
        self.wait = WebDriverWait(driver, patience, poll_frequency=0.1)

    def sign_in(self, email: str, password: str) -> None:
        self.driver.get(f"{self.url}/auth")
        self._find("#email").send_keys(email)
        self._find("#password").send_keys(password + Keys.ENTER)
        self._find("#chat-input")

    def chosen(self) -> str:
        """The model that a new chat begins with, before anybody has picked one."""
        label = self._find("[aria-label^='Selected model: ']").get_attribute("aria-label")
        self.picture("first")
        return label.removeprefix("Selected model: ")

    def models(self) -> list[str]:
        """The names that the list of models offers."""
        self._open_models()
        rows = self.wait.until(lambda driver: driver.find_elements(By.CSS_SELECTOR, MODEL))
        names = [row.get_attribute("data-value") for row in rows]
        self.picture("models")
        self.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        self.wait.until_not(lambda driver: driver.find_elements(By.CSS_SELECTOR, MODEL))
        return names

    def pick(self, model: str) -> None:
        self._open_models()
        self._click(f"{MODEL}[data-value='{model}']")
        self._find(f"[aria-label='Selected model: {model}']")

    def _open_models(self) -> None:
        self._click("#model-selector-model-button")

    def ask(self, question: str) -> Answer:
        self._find("#chat-input").send_keys(question)
        self._click("#send-message-button")
        answer = Answer("")

        def finished(driver) -> bool:
            answer.text = driver.execute_script("return document.querySelector('#response-content-container')?.innerText.trim() ?? ''")
            answer.lengths.append(len(answer.text))
            # Only a whole answer can be asked for again.
            return bool(driver.find_elements(By.CSS_SELECTOR, "[aria-label=Regenerate]"))

        self.wait.until(finished)
        self.picture("answer")
        return answer

    def errors(self) -> list[str]:
        """What the browser's console calls severe."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def picture(self, name: str) -> None:
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(self.pictures / f"{name}.png"))

    def _click(self, selector: str) -> None:
        """A first visitor is shown what is new, some time after the page is there and over everything else; its button ends that for good."""

        def clicked(driver) -> bool:
            try:
                self._find(selector).click()
                return True
            except (ElementClickInterceptedException, StaleElementReferenceException):
                for button in driver.find_elements(By.CSS_SELECTOR, "[aria-modal=true] button:not([aria-label])"):
                    button.click()
                return False

        self.wait.until(clicked)

    def _find(self, selector: str):
        return self.wait.until(lambda driver: next((e for e in driver.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()), None))


@contextmanager
def open_page(url: str, pictures: Path, patience: float = 60) -> Iterator[Page]:
    """A browser with a profile of its own, gone afterwards."""
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        try:
            yield Page(driver, url, pictures, patience)
        finally:
            driver.quit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--email", required=True)
    parser.add_argument("--password-file", required=True, type=Path)
    parser.add_argument("--model", help="without it the one that a new chat begins with")
    parser.add_argument("--question", default="Which model are you?")
    parser.add_argument("--pictures", default="tests/output/chat", type=Path)
    arguments = parser.parse_args()
    with open_page(arguments.url, arguments.pictures) as page:
        page.sign_in(arguments.email, arguments.password_file.read_text().strip())
        chosen = page.chosen()
        models = page.models()
        page.pick(arguments.model or chosen)
        answer = page.ask(arguments.question)
        print(json.dumps({"chosen": chosen, "models": models, "answer": answer.text, "streamed": answer.streamed, "errors": page.errors()}, indent=1))


if __name__ == "__main__":
    main()
