"""The pages in a real browser: no error, no other host, nobody shut out; light, dark and on a phone."""

import json
import re
from pathlib import Path

import pytest

from strm import book, book_print, book_vendor

ROOT = Path(__file__).parents[1]
PAGES = [*book.contents(ROOT), "search", "genindex"]
LOOKS = {"light": ("light", 1280, 800), "dark": ("dark", 1280, 800), "phone": ("light", 390, 844)}
QUIET = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
# What axe says it is sure of, with its weight, the rule, and where it was found.
AXE = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations.flatMap(
  rule => rule.nodes.map(node => [rule.impact, rule.id, node.target.join(' '), node.failureSummary]))"""
SHUT_OUT = ("serious", "critical")


@pytest.fixture(scope="module")
def browser(missing):
    if not book_print.chromium():
        missing("no Chromium, Chrome or Edge")
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(
                executable_path=book_print.chromium(), args=["--no-sandbox", "--disable-sync", *QUIET]
            )
        except Error as error:
            missing(f"{book_print.chromium()} does not start: {str(error).splitlines()[0]}")
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def site(built):
    """The book's address: its pages are served to this machine."""
    with book_print.served(built / "_build" / "html") as address:
        yield address


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("npm")
    book_vendor.unpack(ROOT / "tests" / "vendor.json", folder)
    return (folder / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.fixture
def visit(browser, site):
    """A function that opens a page in some look, its scripts done, and the list of all that went wrong."""
    wrong: list[str] = []
    contexts = []

    def visit(page: str, look: str = "light"):
        scheme, width, height = LOOKS[look]
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
        contexts.append(context)
        tab = context.new_page()
        tab.on(
            "console", lambda said: wrong.append(f"console: {said.text}") if said.type == "error" else None
        )
        tab.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        tab.on("request", lambda asked: wrong.append(asked.url) if foreign(asked.url) else None)
        tab.on("response", lambda got: wrong.append(f"{got.status} {got.url}") if got.status > 399 else None)
        tab.goto(f"{site}/{page}.html{'?q=hand' * (page == 'search')}")
        tab.evaluate("() => window.MathJax && MathJax.startup && MathJax.startup.promise")
        return tab

    def foreign(url: str) -> bool:
        return not url.startswith((f"{site}/", "data:", "blob:"))

    yield visit, wrong
    for context in contexts:
        context.close()


def found_by(axe: str, tab) -> list[str]:
    tab.add_script_tag(content=axe)
    return [" | ".join(finding) for finding in tab.evaluate(AXE) if finding[0] in SHUT_OUT]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("page", PAGES)
def test_page(page, look, visit, axe):
    """It opens without a complaint, asks no other computer, shuts nobody out, and fits."""
    open_page, wrong = visit
    tab = open_page(page, look)
    assert tab.locator("html").get_attribute("data-theme") == LOOKS[look][0]
    assert page == "search" or tab.locator("article h1").count() == 1
    assert not found_by(axe, tab)
    wide = tab.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"the page is {wide} pixels wider than the window"
    assert not wrong


def test_the_tests_would_notice(browser, visit, axe, site):
    """A page with an error, another host, grey on grey and a picture without words."""
    open_page, wrong = visit
    tab = open_page(PAGES[0])
    tab.evaluate(
        """() => {
          document.querySelector('main').insertAdjacentHTML('beforeend',
            '<p style="color: #aaa; background: #bbb">hardly there</p><img src="http://localhost:9/a.png">');
          setTimeout(() => { throw Error('on purpose') });
          console.error('said on purpose');
        }"""
    )
    tab.wait_for_timeout(500)
    assert any("color-contrast" in finding for finding in found_by(axe, tab))
    assert any("image-alt" in finding for finding in found_by(axe, tab))
    for part in ("error: on purpose", "console: said on purpose", "http://localhost:9/a.png"):
        assert any(part in entry for entry in wrong), part


@pytest.mark.parametrize("page", book.contents(ROOT))
def test_formulas_are_set(page, built, visit):
    html = (built / "_build" / "html" / f"{page}.html").read_text("utf-8")
    formulas = len(re.findall(r'<(?:span|div) class="math[ "]', html))
    if not formulas:
        return
    open_page, wrong = visit
    tab = open_page(page)
    assert tab.locator("mjx-container").count() >= formulas
    assert tab.locator("mjx-container svg").count() >= formulas
    assert tab.locator("mjx-merror, [data-mjx-error]").count() == 0
    assert not wrong


def test_some_page_has_formulas(built):
    pages = [path.read_text("utf-8") for path in (built / "_build" / "html" / "book").glob("*.html")]
    assert any('class="math' in page for page in pages)
    licence = built / "_build" / "html" / "_static" / "vendor" / "mathjax" / "LICENSE"
    assert "Apache License" in licence.read_text("utf-8"), "it travels with what it is about"


def keys_to(tab, selector: str, most: int = 80) -> int | None:
    """Press Tab until the focus is on something that is seen, and return how often; None if it never is."""
    for pressed in range(1, most):
        tab.keyboard.press("Tab")
        if tab.evaluate("selector => document.activeElement.matches(selector)", selector):
            shown = tab.evaluate("() => document.activeElement.getBoundingClientRect().width")
            return pressed if shown else None
    return None


@pytest.mark.parametrize("look", ["light", "phone"])
def test_the_keyboard_reaches_everything(look, visit):
    """The way past the menu, the search, the launch buttons, the menu itself."""
    open_page, wrong = visit
    page = next(page for page in book.chapters(ROOT))

    tab = open_page(page, look)
    assert keys_to(tab, ".skip-link a", 4), "the first key leads past the menu"

    tab = open_page(page, look)
    launch = ".dropdown-launch-buttons > button"
    assert keys_to(tab, launch)
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".dropdown-launch-buttons .dropdown-menu.show")
    assert keys_to(tab, ".dropdown-launch-buttons a[href*='colab']", 4)
    tab.keyboard.press("Tab")
    href = tab.evaluate("() => document.activeElement.getAttribute('href')")
    assert "kaggle" in href

    tab = open_page(page, look)
    assert keys_to(tab, ".search-button, .search-button-field")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#pst-search-dialog[open], .search-button__wrapper.show")
    tab.keyboard.type("hand")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#search-results li")

    tab = open_page(page, look)
    if look == "phone":
        assert keys_to(tab, ".primary-toggle")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("dialog[open] nav.bd-links, .bd-sidebar-primary.show nav.bd-links")
    assert keys_to(tab, "nav.bd-links a")
    assert not wrong


def test_a_reader_opens_a_solution_by_keyboard(visit, built):
    open_page, wrong = visit
    page = next(page for page in book.chapters(ROOT))
    tab = open_page(page)
    button = tab.locator(".solution .toggle-button").first
    before = button.evaluate("button => button.closest('.admonition').getBoundingClientRect().height")
    button.focus()
    tab.keyboard.press("Enter")
    tab.wait_for_timeout(300)
    after = button.evaluate("button => button.closest('.admonition').getBoundingClientRect().height")
    assert after > before + 10
    assert not wrong


def test_what_a_reader_chose_stays(visit):
    """The switch for light and dark works, and the next page remembers it."""
    open_page, wrong = visit
    tab = open_page(PAGES[0])
    for _ in range(3):
        tab.locator(".theme-switch-button").first.click()
        if tab.locator("html").get_attribute("data-mode") == "dark":
            break
    assert tab.locator("html").get_attribute("data-theme") == "dark"
    tab.goto(re.sub(r"[^/]+\.html", f"{Path(PAGES[1]).name}.html", tab.url))
    assert tab.locator("html").get_attribute("data-theme") == "dark"
    assert not wrong


def test_the_search_finds_what_the_book_is_about(visit):
    open_page, wrong = visit
    tab = open_page("search")
    tab.wait_for_selector("#search-results li")
    assert not wrong
    assert json.dumps(tab.locator("#search-results a").first.get_attribute("href")).count("book/")
