"""The check of docstrings and comments (tests/prose.py) reports each form that it forbids, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import prose


@pytest.mark.parametrize(
    ("name", "source", "found"),
    [
        ("a.py", '"""What it does."""', [(1, "docstring begins with 'What'")]),
        ("a.py", '"""Whatnot of a shop."""', []),
        (
            "a.py",
            'def f():\n    """Return one.\n\n    See docs/none.md.\n    """',
            [(4, "docs/none.md is not in the repository")],
        ),
        ("a.py", "# A rule of docs/glossary.md, and of <tool>.md.", []),
        ("a.py", "# As docs/wire-contract.md §99.1 says.", [(1, "docs/wire-contract.md has no section 99.1")]),
        ("a.py", "# As docs/wire-contract.md §3.1 says.", []),
        ("a.py", "x = 1\n# A row\n# of the rail.", [(3, "'rail' is a retired word")]),
        ("a.py", "# `rail`, a.rail and rail_of are names; a derailed train is no rail-way.", []),
        ("a.py", "# Since issue #4.", [(1, "'issue #4' cites an issue")]),
        ("a.py", "x = (\n    1\n)  # seconds", [(3, "comment behind a lone closing bracket")]),
        ("a.py", "x = (\n    1\n)  # noqa: E501", []),
        ("a.py", 'x = "# rail"', []),
        ("a.js", 'const x = "// rail";\n/* The\n rail. */', [(3, "'rail' is a retired word")]),
        ("a.js", "const x = 1; // A rail.", [(1, "'rail' is a retired word")]),
        ("a.css", "/* A rail. */", [(1, "'rail' is a retired word")]),
        (
            "a.md",
            "See [it](none.md) and [that](https://example.com/none.md).",
            [(1, "none.md is not in the repository")],
        ),
        ("a.md", "In\n`tests/none.py`.", [(2, "tests/none.py is not in the repository")]),
        ("a.md", "`tests/prose.py::check`, `tests/prose.py::Text`, `settings.py`", []),
        ("a.md", "`tests/prose.py::Text.none`", [(1, "tests/prose.py has no function or class none")]),
        ("a.html", "<p>rail</p>\n{% comment %}A rail.{% endcomment %}", [(2, "'rail' is a retired word")]),
    ],
)
def test_a_finding_names_its_line_and_rule(
    name: str, source: str, found: list[tuple[int, str]], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(source + "\n")
    findings = list(prose.check(path))
    assert [finding.line for finding in findings] == [line for line, _ in found]
    assert all(finding.rule.startswith(rule) for finding, (_, rule) in zip(findings, found, strict=True))
