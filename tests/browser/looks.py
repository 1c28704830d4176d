"""What a page looks like, measured in the browser."""

import base64

from axe_playwright_python.sync_playwright import Axe

WCAG = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
COLOURS = {"type": "rule", "values": ["color-contrast"]}
"""The one rule of those that a theme can break."""

# The colours as they are painted: translucent backgrounds lie on those of the elements around them.
CONTRASTS = """elements => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const luminance = () => {
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
            .map(part => part / 255)
            .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const paint = colour => {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return luminance();
    };
    return elements.map(element => {
        const around = [];
        for (let one = element; one; one = one.parentElement) around.unshift(getComputedStyle(one).backgroundColor);
        paint("white");
        const behind = around.map(paint).at(-1);
        const text = paint(getComputedStyle(element).color);
        const [dark, light] = [behind, text].sort((a, b) => a - b);
        return {text: element.textContent.trim(), ratio: (light + 0.05) / (dark + 0.05), behind};
    });
}"""

# What can be pressed or typed into, and is in the way of a finger: beside the screen, below or above something else.
UNREACHABLE = """(area, without) => {
    const wanted = "a[href], button, input, select, textarea, summary";
    const all = [...area.querySelectorAll(wanted)].filter(one =>
        one.checkVisibility() && one.getClientRects().length && !without.some(part => one.matches(part)));
    const name = one => `${one.localName} "${one.innerText || one.name || one.value || one.href}"`;
    const boxes = all.map(one => [...one.getClientRects()]);
    const problems = [];
    const overlap = (a, b) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
    all.forEach((one, i) => all.slice(i + 1).forEach((other, j) => {
        const nested = one.contains(other) || other.contains(one);
        if (!nested && boxes[i].some(a => boxes[i + 1 + j].some(b => overlap(a, b))))
            problems.push(`${name(one)} overlaps ${name(other)}`);
    }));
    for (const one of all) {
        one.scrollIntoView({block: "center", inline: "center"});
        const box = one.getClientRects()[0];
        const there = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
        if (!there || !one.contains(there))
            problems.push(`${name(one)} cannot be reached`);
    }
    scrollTo(0, 0);
    return problems;
}"""


# How far the mean colours of two pictures are apart in each square of 20 pixels: in the part that differs most.
DIFFERENCES = """async pictures => {
    const SIZE = 20;
    const means = async text => {
        const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${text}`)).blob());
        const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
        canvas.drawImage(image, 0, 0);
        const found = [];
        for (let top = 0; top + SIZE <= image.height; top += SIZE)
            for (let left = 0; left + SIZE <= image.width; left += SIZE) {
                const {data} = canvas.getImageData(left, top, SIZE, SIZE);
                const sum = part => data.filter((_, i) => i % 4 === part).reduce((a, b) => a + b);
                found.push([0, 1, 2].map(part => sum(part) / SIZE ** 2));
            }
        return found;
    };
    const [one, other] = await Promise.all(pictures.map(means));
    return one.map((mean, i) => Math.max(...mean.map((part, j) => Math.abs(part - other[i][j]))));
}"""


def differences(page, one, other):
    """Return how far two pictures (PNG, of one size) are apart in each of their squares, from 0 to 255."""
    return page.evaluate(DIFFERENCES, [base64.b64encode(picture).decode() for picture in (one, other)])


def contrasts(locator):
    """Return text, contrast ratio (WCAG 2.1 section 1.4.3) and luminance behind the text of each element."""
    return locator.evaluate_all(CONTRASTS)


def luminance(page):
    """Return the luminance of the page's background, from 0 (black) to 1."""
    (body,) = contrasts(page.locator("body"))
    return body["behind"]


def unreachable(page, *, without=()):
    """Tell what of the page's content is beside the screen, or below or above something else.

    Args:
        page: The page, as it is.
        without: Selectors of what to leave out.
    """
    return page.locator("#content").evaluate(UNREACHABLE, list(without))


def width(page):
    """Return how wide the page is, and how wide the screen."""
    return page.evaluate("[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]")


def violations(page, rules=WCAG, *, within=None, without=()):
    """Return what axe-core finds against WCAG 2.1, levels A and AA: rule and element.

    Args:
        page: The page, as it is.
        rules: Which ones, in axe's words.
        within: A selector of the part to look at.
        without: Selectors of parts to leave out.
    """
    context = {"exclude": [[selector] for selector in without]}
    if within:
        context["include"] = [[within]]
    found = Axe().run(page, context=context, options={"runOnly": rules}).response
    assert found["passes"]
    return [(rule["id"], " ".join(node["target"])) for rule in found["violations"] for node in rule["nodes"]]
