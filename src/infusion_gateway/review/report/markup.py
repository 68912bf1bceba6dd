"""Markup: HTML and SVG as a tree of the standard library's elements. Text is written as text, bounded."""

import base64
import hashlib
from collections.abc import Iterable
from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

from infusion_gateway.wire.stamps import words

Child: TypeAlias = Element | str | None
LONGEST = 600
"""Characters of one text that are shown; nothing that the gateway writes down for people is as long."""


def el(tag: str, *children: Child, **attributes: str | float) -> Element:
    """Make an element. None among the children is nothing; `class_` is `class`, `_` in an attribute's name `-`."""
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    made = Element(tag, {name: value if isinstance(value, str) else f"{value:g}" for name, value in names.items()})
    last: Element | None = None
    for child in children:
        if isinstance(child, str):
            text = words(child, LONGEST)
            if last is None:
                made.text = (made.text or "") + text
            else:
                last.tail = (last.tail or "") + text
        elif child is not None:
            made.append(child)
            last = child
    return made


def table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[Child]], class_: str = "") -> Element:
    """Make a table that a screen reader can follow: a caption, heads with their scope, a head at each row."""
    head = el("tr", *(el("th", text, scope="col") for text in heads))
    body = [
        el("tr", *(el("td", cell) if n else el("th", cell, scope="row") for n, cell in enumerate(row))) for row in rows
    ]
    parts = el("caption", caption), el("thead", head), el("tbody", *body)
    return el("table", *parts, class_=class_) if class_ else el("table", *parts)


def policy_of(css: str) -> str:
    """Give the content-security policy of a document with this style sheet: no script, nothing loaded."""
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def page(title: str, css: str, *content: Child) -> str:
    """Write a whole document that runs no script and loads nothing: its one style sheet is allowed by its hash."""
    style = Element("style")
    style.text = css
    policy = Element("meta", {"http-equiv": "Content-Security-Policy", "content": policy_of(css)})
    head = el(
        "head",
        el("meta", charset="utf-8"),
        policy,
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", title),
        style,
    )
    tree = el("html", head, el("body", *content), lang="en")
    return "<!DOCTYPE html>\n" + tostring(tree, encoding="unicode", method="html") + "\n"
