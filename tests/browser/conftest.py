"""A real Chromium, and the example as a real server."""

import os

import pytest

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.browser.settings":
    collect_ignore_glob = ["test_*.py"]  # they need Chromium, and packages the others do without
else:
    from playwright.sync_api import expect, sync_playwright

    from example_project.demo.accounts import ADMIN

    from .example import LAUNCH, is_ours, running
    from .keyboard import Keyboard

    expect.set_options(timeout=60_000)

PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.stash[PASSED] = report.passed and item.stash.get(PASSED, True)
    return report


@pytest.fixture(scope="session")
def example(tmp_path_factory):
    """The example, with people, one of them hostile."""
    with running(tmp_path_factory.mktemp("example"), "usual", "hostile") as example:
        yield example


@pytest.fixture(scope="session")
def chromium():
    """The browser."""
    with sync_playwright() as playwright, playwright.chromium.launch(**LAUNCH) as browser:
        yield browser


@pytest.fixture
def open_window(chromium, example, tmp_path, request):
    """Open windows, each with cookies of its own. What a failing test has seen is left in its directory.

    No page may run into an error of its own, open a dialog, load anything from elsewhere or make the server fail.
    """
    contexts, problems = [], []

    def open_window(**options):
        context = chromium.new_context(**{"base_url": example.url, "reduced_motion": "reduce", **options})
        contexts.append(context)
        context.set_default_timeout(60_000)
        _watch(context, problems)
        return context.new_page()

    yield open_window
    passed = request.node.stash.get(PASSED, False)
    for number, context in enumerate(contexts):
        for tab, page in enumerate(context.pages):
            if not passed or problems:
                page.screenshot(path=tmp_path / f"window-{number}-{tab}.png", full_page=True)
                (tmp_path / f"window-{number}-{tab}.html").write_text(f"<!-- {page.url} -->\n{page.content()}")
        context.close()
    assert problems == []


def _watch(context, problems):
    def see_request(request):
        if not is_ours(request.url):
            problems.append(f"loaded {request.url}")

    def see_response(response):
        if response.status >= 500:
            problems.append(f"{response.status} {response.url}")

    def see_dialog(dialog):
        problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    context.on("request", see_request)
    context.on("response", see_response)
    context.on("dialog", see_dialog)
    context.on("weberror", lambda error: problems.append(f"error in the page: {error.error}"))


@pytest.fixture(scope="session")
def admin_state(chromium, example):
    """The cookies of an administrator who is signed in to the admin."""
    with chromium.new_context(base_url=example.url) as context:
        page = context.new_page()
        page.goto("/admin/")
        Keyboard(page).sign_in(ADMIN)
        return context.storage_state()


@pytest.fixture
def admin(open_window, admin_state):
    """An administrator at the keyboard, on the admin's first page."""
    page = open_window(storage_state=admin_state)
    page.goto("/admin/")
    return Keyboard(page)
