"""The rules of axe-core on the page as it stands. What Streamlit's own markup breaks is listed, each with its reason."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

STREAMLITS_OWN = {
    ("list", "[data-testid=stSidebarNavItems]"): "st.navigation puts <div> around each section inside its <ul>",
    ("listitem", "[data-testid=stSidebarNavItems] li"): "the same: its <li> stand in a <div>, not in the <ul>",
    ("empty-table-header", "[data-testid=stDataFrame] th"): "st.dataframe: the column of check boxes that choose a row has no title",
    ("scrollable-region-focusable", "[data-testid=stTable] div"): "st.table scrolls sideways in a box of its own that takes no focus",
}
RUN = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
OWN = "([at, own]) => { const one = document.querySelector(at); return one !== null && one.matches(own); }"


def broken_rules(page: Page) -> list[str]:
    """Rule, place and markup of each fault that is not one of Streamlit's own."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    violations: list[dict[str, Any]] = page.evaluate(RUN)
    found = []
    for violation in violations:
        for node in violation["nodes"]:
            at = node["target"][0]
            if not any(rule == violation["id"] and page.evaluate(OWN, [at, own]) for rule, own in STREAMLITS_OWN):
                found.append(f"{violation['id']} {at} {node['html'][:200]}")
    return found
