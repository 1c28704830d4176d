"""An operator without a mouse."""

from playwright.sync_api import expect

MOST_TABS = 300
"""So many times Tab is pressed at most on the way to something; a page of the admin's list has some 100 stops."""

WAY = """element => {
    const focused = document.activeElement;
    if (focused === element) return null;
    const before = focused.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_PRECEDING;
    return focused !== document.body && before ? "Shift+Tab" : "Tab";
}"""


class Keyboard:
    """What somebody does with a page by the keyboard alone."""

    def __init__(self, page):
        self.page = page

    def go_to(self, target):
        """Press Tab until the focus is there, backwards if that is shorter, and see that it shows."""
        expect(target).to_be_visible()
        element = target.element_handle()
        for _ in range(MOST_TABS):
            way = element.evaluate(WAY)
            if way is None:
                break
            self.page.keyboard.press(way)
        else:
            raise AssertionError(f"the keyboard does not lead to {target}")
        assert element.evaluate("element => element.matches(':focus-visible')")

    def press(self, target, key="Enter"):
        """Go to something on the page, and press a key there."""
        self.go_to(target)
        self.page.keyboard.press(key)

    def follow(self, target):
        """Go to a link or button, press Enter, and wait for the next page."""
        self.go_to(target)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def type(self, target, text):
        """Write into a field."""
        self.go_to(target)
        self.page.keyboard.type(text)

    def choose(self, target, option):
        """Choose an option of a list by the beginning of its text."""
        self.type(target, option)
        expect(target.locator("option:checked")).to_have_text(option)

    def sign_in(self, account):
        """Sign in to the admin, on its page for that."""
        self.type(self.field("Username:"), account.username)
        self.type(self.field("Password:"), account.password)
        self.follow(self.button("Log in"))

    # The page's parts

    def link(self, name, *, within=None, exact=True):
        return (within or self.page).get_by_role("link", name=name, exact=exact)

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def field(self, label):
        return self.page.get_by_label(label, exact=True)

    def says(self, text):
        """See that the admin's messages say something."""
        expect(self.page.locator(".messagelist")).to_contain_text(text)
