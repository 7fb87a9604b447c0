"""The audit as a page that needs nothing else: no script, no picture, no other file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; }
th, td { border-bottom: 1px solid #ccc; padding: .3rem .6rem; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.open { color: #a00000; font-weight: 600; } .ruled { color: #006000; } code { background: #f2f2f2; padding: 0 .2rem; }
@media (prefers-color-scheme: dark) {
  body { background: #161616; color: #eaeaea; } code { background: #2a2a2a; }
  .open { color: #ff8080; } .ruled { color: #80d080; } th, td { border-color: #444; }
}
"""


def page(report: Mapping[str, Any]) -> str:
    """Of an audit's JSON."""
    counts = report["counts"]
    ready = "Nothing needs a ruling." if report["ready"] else "Some of it needs a ruling before it can be moved."
    parts = [
        f"<h1>Audit of {escape(report['file'])}</h1><p>{ready}</p>",
        "<h2>What there is</h2>",
        _table(
            ("", "in the file", "to be moved"),
            [
                ("users", counts["users"], counts["users_to_move"]),
                ("logs", counts["logs"], counts["logs_to_move"]),
                ("users who set a new password", counts["needing_reset"], ""),
            ],
        ),
        "<h2>What cannot be moved as it is</h2>",
        _table(
            ("what", "rows", "ruling", "what it means", "for example"),
            [
                (
                    finding["kind"] + (f": {finding['name']}" if finding["name"] else ""),
                    finding["count"],
                    _Ruling(finding["ruling"], finding["how"]),
                    finding["means"],
                    ", ".join(finding["examples"]),
                )
                for finding in report["findings"]
            ],
        ),
    ]
    for title, name in (
        ("Kinds of password hashes", "hashes"),
        ("Tiers", "tiers"),
        ("Types of work", "types"),
        ("Users left out", "users_left_out"),
        ("Logs left out", "logs_left_out"),
    ):
        if counts[name]:
            parts += [f"<h2>{title}</h2>", _table(("", "rows"), sorted(counts[name].items()))]
    parts += ["<h2>What was assumed</h2><ul>", *(f"<li>{escape(said)}</li>" for said in report["assumed"]), "</ul>"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Audit</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


class _Ruling:
    def __init__(self, ruling: str | None, how: str) -> None:
        self._ruling = ruling
        self._how = how

    def __str__(self) -> str:
        if self._ruling is None:
            return f'<span class="open">none yet</span>: <code>{escape(self._how)}</code>'
        return f'<span class="ruled">{escape(self._ruling)}</span>'


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f'<td class="number">{value:,}</td>'
    return f"<td>{value}</td>" if isinstance(value, _Ruling) else f"<td>{escape(str(value))}</td>"
