"""Check the form of docstrings and comments: `python -m tests.prose [PATH…]`.

The rules are those of CONTRIBUTING.md (Prose) that a program can decide:

1. The first word of a docstring is not a bare pronoun or a question word.
2. A Markdown document named in a docstring or comment is in the repository, and a section number behind it is a heading of that document.
3. No docstring or comment uses a retired word. The last column of the tables in docs/glossary.md lists the retired words in backticks.
4. No docstring or comment cites an issue by its number.
5. No comment stands behind a lone closing bracket, where a formatter moved it away from its subject.
6. A file or a `file.py::name` that a document names exists.

Without paths, check every tracked Python, JavaScript, CSS and HTML file, and the documents of the repository. Text in
backticks is code and is exempt from the rule on retired words.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

CODE = Path(__file__).resolve().parent.parent
GLOSSARY = "docs/glossary.md"
DOCUMENTS = (":(glob)*.md", ":(glob)docs/*.md")  # texts for people who use the console are none of them
SUFFIXES = (".py", ".js", ".css", ".html", ".md")
NO_FIRST_WORD = re.compile(
    r"\W*((?:as|how|its?|of|one|so|such|that|these|they|those|what(?:ever)?|where|whether|who(?:ever|se)?|with)(?![\w-]))",
    re.IGNORECASE,
)
PRAGMA = re.compile(r"#\s*(noqa|type:|pragma|fmt:|ruff:|nosec)")
DOCUMENT = re.compile(r"(?<![\w<>{}*/.-])([\w-][\w./-]*\.md)\b(?:,? §(\d+(?:\.\d+)*))?")
ISSUE = re.compile(r"\bissue #?\d+", re.IGNORECASE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
FILE_OR_NAME = re.compile(r"`([\w-]+/[\w./-]+\.(?:py|js|css|html|toml))(?:::([\w.]+))?`")
CODE_IN_TEXT = re.compile(r"``.+?``|`[^`\n]+`", re.DOTALL)
LONE_BRACKET = re.compile(r"\s*[)\]}]+[,:;]?\s*$")
COMMENTS = {
    # A string comes first in each pattern, so that a comment's opening inside a string is no comment.
    ".js": re.compile(r"""\"(?:\\.|[^"\\\n])*\"|'(?:\\.|[^'\\\n])*'|(?<![:\\/\[])//[^\n]*|/\*.*?\*/""", re.DOTALL),
    ".css": re.compile(r"""\"(?:\\.|[^"\\\n])*\"|'(?:\\.|[^'\\\n])*'|/\*.*?\*/""", re.DOTALL),
    ".html": re.compile(r"\{#.*?#\}|\{%\s*comment.*?endcomment\s*%\}|<!--.*?-->", re.DOTALL),
}


class Text(NamedTuple):
    """A docstring or a comment, with the line on which the text begins."""

    line: int
    text: str
    is_docstring: bool = False


@dataclass(frozen=True)
class Finding:
    """A place that breaks a rule."""

    path: Path
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}"


def tracked() -> list[Path]:
    """Return the tracked files that the check reads, relative to the root of the repository."""
    patterns = [*(f"*{suffix}" for suffix in SUFFIXES if suffix != ".md"), *DOCUMENTS]
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=CODE,
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(name) for name in names.stdout.splitlines() if (CODE / name).is_file()]


def named(paths: Iterable[str]) -> Iterator[Path]:
    """Yield the files that the arguments name, a folder standing for the files below it, relative to the root of the repository."""
    for path in (Path(name).resolve() for name in paths):
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file.relative_to(CODE) for file in files if file.suffix in SUFFIXES and file.is_file())


@cache
def retired_words() -> re.Pattern[str]:
    """Return a pattern of the backticked words in the last column of the glossary's tables."""
    rows = [
        line.strip().strip("|").split("|") for line in (CODE / GLOSSARY).read_text().splitlines() if line[:1] == "|"
    ]
    words = {word for cells in rows for word in re.findall(r"`([^`]+)`", cells[-1])}
    longest_first = sorted(words, key=len, reverse=True)
    alternatives = "|".join(r"\s+".join(map(re.escape, word.split())) for word in longest_first)
    # A name in a path, a dotted module or an identifier is not a word of the sentence.
    return re.compile(rf"(?<![\w./-])(?:{alternatives})(?![\w/-]|\.\w)", re.IGNORECASE)


@cache
def headings(document: Path) -> frozenset[str]:
    """Return the section numbers of a Markdown document."""
    found = re.findall(r"^#+ (\d+(?:\.\d+)*)\.? ", document.read_text(), re.MULTILINE)
    return frozenset(found)


def texts_of_python(source: str) -> Iterator[Text]:
    """Yield the docstrings of a module, and its comments: adjacent lines of comment as one text."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.Module(body=[ast.Expr(value=ast.Constant(value=str(text)) as first), *_])
                | ast.ClassDef(body=[ast.Expr(value=ast.Constant(value=str(text)) as first), *_])
                | ast.FunctionDef(body=[ast.Expr(value=ast.Constant(value=str(text)) as first), *_])
                | ast.AsyncFunctionDef(body=[ast.Expr(value=ast.Constant(value=str(text)) as first), *_])
            ):
                yield Text(first.lineno, text, is_docstring=True)
    block: list[str] = []
    last = (0, 0)  # line and column of the last comment
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if block and (token.start[0] - 1, token.start[1]) != last:
            yield Text(last[0] - len(block) + 1, "\n".join(block))
            block = []
        block.append(token.string)
        last = token.start
    if block:
        yield Text(last[0] - len(block) + 1, "\n".join(block))


def texts_of_others(source: str, suffix: str) -> Iterator[Text]:
    """Yield the comments of a script, a stylesheet or a template."""
    for found in COMMENTS[suffix].finditer(source):
        if found[0][0] not in "\"'":
            yield Text(source.count("\n", 0, found.start()) + 1, found[0])


def check(path: Path) -> Iterator[Finding]:
    """Yield the places of a file that break a rule."""
    source = (CODE / path).read_text(encoding="utf-8")
    if path.suffix == ".md":
        for offset, rule in broken_in_document(path, source):
            yield Finding(path, source.count("\n", 0, offset) + 1, rule)
        return
    is_python = path.suffix == ".py"
    lines = source.splitlines()
    for text in texts_of_python(source) if is_python else texts_of_others(source, path.suffix):
        for offset, rule in broken(text):
            yield Finding(path, text.line + text.text.count("\n", 0, offset), rule)
        if is_python and not text.is_docstring:
            for number, comment in enumerate(text.text.splitlines(), start=text.line):
                before = lines[number - 1][: -len(comment)] if comment else ""
                if LONE_BRACKET.fullmatch(before) and not PRAGMA.match(comment):
                    yield Finding(
                        path, number, "comment behind a lone closing bracket: move it to the line above its subject"
                    )


def broken(text: Text) -> Iterator[tuple[int, str]]:
    """Yield the offset and the message of each rule that a text breaks."""
    content = text.text
    if text.is_docstring and (first := NO_FIRST_WORD.match(content)):
        yield 0, f"docstring begins with {first[1]!r}: begin with a verb (function) or a noun (class, module)"
    for found in DOCUMENT.finditer(content):
        document = CODE / found[1]
        if not document.is_file():
            yield found.start(), f"{found[1]} is not in the repository"
        elif found[2] and found[2] not in headings(document):
            yield found.start(), f"{found[1]} has no section {found[2]}"
    for found in ISSUE.finditer(content):
        yield found.start(), f"{found[0]!r} cites an issue: cite a document of the repository"
    yield from retired(content)


def broken_in_document(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield the offset and the message of each rule that a document breaks."""
    for found in LINK.finditer(text):
        if not (CODE / path.parent / found[1]).exists():
            yield found.start(), f"{found[1]} is not in the repository"
    for found in FILE_OR_NAME.finditer(text):
        file = CODE / found[1]
        if not file.is_file():
            yield found.start(), f"{found[1]} is not in the repository"
        elif found[2]:
            source = file.read_text(encoding="utf-8")
            for name in found[2].split("."):
                if not re.search(rf"^\s*(?:async )?(?:def|class) {name}\b", source, re.MULTILINE):
                    yield found.start(), f"{found[1]} has no function or class {name}"
    if path != Path(GLOSSARY):
        yield from retired(text)


def retired(text: str) -> Iterator[tuple[int, str]]:
    """Yield the offset and the message of each retired word outside code."""
    words = CODE_IN_TEXT.sub(lambda code: re.sub(r"[^\n]", "`", code[0]), text)
    for found in retired_words().finditer(words):
        yield found.start(), f"{' '.join(found[0].split())!r} is a retired word: see {GLOSSARY}"


def main() -> int:
    """Print each finding and return the exit code: 1 where there are findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.prose", description=__doc__.split("\n", 1)[0])
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files or folders; without them, all tracked files")
    paths = parser.parse_args().paths
    findings = [finding for path in (named(paths) if paths else tracked()) for finding in check(path)]
    for finding in sorted(findings, key=lambda each: (each.path, each.line)):
        print(finding)
    if findings:
        print(f"{len(findings)} places", file=sys.stderr)
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
