"""Mutation tester: break one expression or statement at a time, and report each change that no test notices.

python -m tests.mutation incidents/correlation [alerts/ingest/store.py …] [--sample 80 --seed 1] [--tests
tests/incidents]

The script prints each survivor with its file, line and difference, and then the number of survivors.

mutmut and cosmic-ray start pytest anew for each mutant. In this project a start imports Django, collects tests and
migrates a database: 10 to 30 seconds for a tenth of a second of tests. This script starts pytest once. For each mutant
the script forks a child, gives the child a copy of the migrated database, exchanges the code of the mutated function,
and runs the tests that enter the function until one test fails. The first run records which tests enter which
functions, and keeps the record in the data folder. A later run records only test files that changed.

The script changes comparisons and their boundaries, conditions, `and`, `or` and `not`, numbers, True and False,
operators, `min`, `max`, `any` and `all`. The script removes calls, raises, conditions of queries and comprehensions,
and assignments to attributes. Texts stay: most of them are SQL or words for people. The database is SQLite.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import functools
import gc
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

CODE = Path(__file__).resolve().parent.parent
PACKAGES = ("alerts", "appkeys", "bigpanda_site", "bpql", "db", "incidents", "people")
TESTS = ("tests/alerts", "tests/bpql", "tests/incidents", "tests/appkeys", "tests/people")
MARKERS = "not browser and not broker and not any_database"
SECONDS = 60.0  # of tests for one mutant
MEMORY = 4 * 2**30  # bytes of one child
MODULE = "<module>"


# --- Mutants

OPPOSITE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
ASSERTIONS = {"strict", "frozen", "slots", "kw_only"}  # arguments that only keep later authors from mistakes
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass
class Mutant:
    """A change of one file."""

    path: Path
    line: int
    function: tuple[str, int]  # qualified name and first line of the outermost function; MODULE outside of functions
    difference: str
    code: CodeType  # of the whole file
    tests: int = 0  # that enter the function, and that were run
    tests_run: int = 0
    killer: str = ""

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(CODE)}:{self.line} {self.function[0]}"

    def lot(self, seed: int) -> str:
        """Return what a random choice sorts by. A mutant keeps its lot while other lines change."""
        return hashlib.sha256(f"{seed} {self.function[0]} {self.difference}".encode()).hexdigest()


def mutants_of(path: Path) -> Iterator[Mutant]:
    source = path.read_text()
    tree = ast.parse(source)
    original = compile(tree, str(path), "exec")
    for place, function in _mutable(tree, (MODULE, 0)):
        for new in _changes(place):
            node: ast.AST = place.test if isinstance(place, ast.If | ast.IfExp) else place
            ast.fix_missing_locations(ast.copy_location(new, node))
            changed = ast.fix_missing_locations(_Exchange(node, new).visit(deepcopy_but(tree, node)))
            code = compile(changed, str(path), "exec")
            if code != original:
                yield Mutant(path, _place(node)[0][0], function, _difference(source, node, new), code)


def deepcopy_but(tree: ast.AST, kept: ast.AST) -> Any:
    """Return a copy of a tree that shares one node with it."""
    return deepcopy(tree, {id(kept): kept})


class _Exchange(ast.NodeTransformer):
    """A copy of a tree with one node exchanged."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else self.generic_visit(node)


def _mutable(node: ast.AST, function: tuple[str, int], prefix: str = "") -> Iterator[tuple[Any, tuple[str, int]]]:
    """Yield each node that may be changed, with the outermost function around the node."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr | ast.Import | ast.ImportFrom):
                continue
            if isinstance(child, ast.keyword) and child.arg in ASSERTIONS:
                continue
            if isinstance(child, ast.ClassDef):
                yield from _mutable(child, function, f"{prefix}{child.name}.")
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and function[0] == MODULE:
                first = min([child.lineno, *(each.lineno for each in child.decorator_list)])
                inside = f"{prefix}{child.name}", first
                for part in child.body:
                    yield part, inside
                    yield from _mutable(part, inside)
                for outer in (*child.args.defaults, *child.args.kw_defaults, *child.decorator_list):
                    if outer is not None:
                        yield outer, function
                        yield from _mutable(outer, function)
            else:
                yield child, function
                yield from _mutable(child, function, prefix)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what stands in the place of a node, one change at a time."""
    match node:
        case ast.Compare(ops=[op]):
            for other in OPPOSITE[type(op)]:
                yield ast.Compare(node.left, [other()], node.comparators)
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                for other in OPPOSITE[type(op)]:
                    yield ast.Compare(node.left, [*ops[:place], other(), *ops[place + 1 :]], node.comparators)
        case ast.BoolOp(op=op):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not() | ast.Invert() | ast.USub()):
            yield node.operand
        case ast.BinOp(op=op) if type(op) in OPERATORS and not _is_text(node.left, node.right):
            yield ast.BinOp(node.left, OPERATORS[type(op)](), node.right)
        case ast.AugAssign(op=op):
            yield ast.Pass()
            if type(op) in OPERATORS and not _is_text(node.value):
                yield ast.AugAssign(node.target, OPERATORS[type(op)](), node.value)
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Call(func=ast.Attribute(attr="filter" | "exclude") | ast.Name(id="Q"), keywords=[_, _, *_]):
            for place in range(len(node.keywords)):
                yield ast.Call(node.func, node.args, node.keywords[:place] + node.keywords[place + 1 :])
        case ast.Name(id=name, ctx=ast.Load()) if name in NAMES:
            yield ast.Name(NAMES[name], ast.Load())
        case ast.If(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield ast.UnaryOp(ast.Not(), test)
        case ast.comprehension(ifs=[_, *_]):
            yield ast.comprehension(node.target, node.iter, [], node.is_async)
        case ast.Expr(value=ast.Call() | ast.Await() | ast.YieldFrom()) if not _is_log(node.value):
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()


def _is_text(*nodes: ast.AST) -> bool:
    return any(isinstance(node, ast.JoinedStr | ast.Constant) and not _is_number(node) for node in nodes)


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _is_log(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"))):
            return True
    return False


def _difference(source: str, node: Any, new: ast.AST) -> str:
    """Return the changed lines as a difference. A comprehension has no place of its own: its first part stands for it."""
    lines = source.splitlines(keepends=True)
    start, end = _place(node)
    before = lines[start[0] - 1 : end[0]]
    indent = before[0].encode()[: start[1]].decode()
    rest = before[-1].encode()[end[1] :].decode()
    after = f"{indent}{ast.unparse(new)}{rest}".splitlines(keepends=True)
    return "".join(line for line in difflib.ndiff(before, after) if line[0] in "+-")


def _place(node: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    if isinstance(node, ast.comprehension):
        first, last = node.target, node.ifs[-1]
        return (first.lineno, first.col_offset - len("for ")), (last.end_lineno or 0, last.end_col_offset or 0)
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


# --- Tests


@dataclass
class Record:
    """A test's CPU time in seconds, and the functions that the test enters."""

    seconds: float
    functions: list[str]


@dataclass
class Runner:
    """A plugin of pytest that runs the tests once for each mutant, in children."""

    mutants: list[Mutant]
    kept: Path  # the record of earlier runs
    seconds: float
    records: dict[str, Record] = field(default_factory=dict)
    items: dict[str, pytest.Item] = field(default_factory=dict)
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)  # by file and test

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        from django.db import connections

        self.items = {item.nodeid: item for item in session.items}
        # The first test makes the database of the session, which all children begin with.
        run(next(item for item in session.items if item.get_closest_marker("django_db")))
        connections.close_all()
        self._record()
        _forget_caches()
        originals = functions_by_place()
        names: defaultdict[str, list[str]] = defaultdict(list)
        for test, record in self.records.items():
            for function in record.functions:
                names[function].append(test)
        for number, mutant in enumerate(self.mutants, 1):
            tests = self._tests_of(mutant, names)
            result = in_child(functools.partial(self._try, mutant, originals, tests), self.seconds * 2 + 30)
            self._note(mutant, tests, result)
            print(
                f"{number}/{len(self.mutants)} {mutant.place}: {mutant.killer or 'SURVIVED'} ({mutant.tests_run} of {len(tests)} tests)",
                flush=True,
            )
            if not mutant.killer:
                print(mutant.difference, flush=True)
        return True

    def _tests_of(self, mutant: Mutant, names: defaultdict[str, list[str]]) -> list[str]:
        """Return the tests that enter the function, as many as there is time for.

        Tests that noticed most mutants of the file come first, then tests named after the module or package, then quick tests.
        """
        file, function = str(mutant.path.relative_to(CODE)), mutant.function[0]
        if function == MODULE:
            found = {test for name, tests in names.items() if name.startswith(f"{file}:") for test in tests}
        else:
            found = set(names[f"{file}:{function}"])

        def order(test: str) -> tuple[bool, int, bool, float, str]:
            is_about = any(name in test.partition("::")[0] for name in (mutant.path.stem, mutant.path.parent.name))
            return self._is_transactional(test), -self.kills[file, test], not is_about, self.records[test].seconds, test

        chosen, left = [], self.seconds
        for test in sorted(found & self.items.keys(), key=order):
            left -= self.records[test].seconds
            if left < 0:
                break
            chosen.append(test)
        return chosen

    def _is_transactional(self, test: str) -> bool:
        marker = self.items[test].get_closest_marker("django_db")
        fixtures = getattr(self.items[test], "fixturenames", ())
        return bool(marker and marker.kwargs.get("transaction")) or "transactional_db" in fixtures

    def _note(self, mutant: Mutant, tests: list[str], told: list[Any]) -> None:
        end = told[-1] if told else ["lost"]
        mutant.tests = len(tests)
        mutant.tests_run = sum(line[0] == "ran" for line in told)
        if end[0] == "killed":
            mutant.killer = end[1]
            file = str(mutant.path.relative_to(CODE))
            self.kills[file, mutant.killer] += 1
        elif end[0] != "survived":
            mutant.killer = f"{end[0]} {tests[mutant.tests_run] if mutant.tests_run < len(tests) else ''}".strip()

    def _try(self, mutant: Mutant, originals: Originals, tests: list[str], tell: Tell) -> None:
        own_database()
        try:
            if mutant.function[0] == MODULE:
                exchange_module(mutant)
            else:
                exchange_function(mutant, originals)
        except Exception as error:  # noqa: BLE001 - a module that cannot be imported any more
            tell("killed", f"import: {type(error).__name__}")
            return
        for test in tests:
            limit(10 + 10 * self.records[test].seconds)
            if not run(self.items[test]):
                tell("killed", test)
                return
            tell("ran")
        tell("survived")

    # What each test enters

    def _record(self) -> None:
        """Run the tests that have changed since they were recorded."""
        kept = json.loads(self.kept.read_text()) if self.kept.exists() else {}
        digests = {
            file: hashlib.sha256((CODE / file).read_bytes()).hexdigest()
            for file in {test.partition("::")[0] for test in self.items}
        }
        kept = {file: known for file, known in kept.items() if file not in digests or known["digest"] == digests[file]}
        new = [item for item in self.items.values() if item.nodeid.partition("::")[0] not in kept]
        new.sort(key=lambda item: self._is_transactional(item.nodeid))
        print(f"recording {len(new)} of {len(self.items)} tests", flush=True)
        by_file: defaultdict[str, list[pytest.Item]] = defaultdict(list)
        for item in new:
            by_file[item.nodeid.partition("::")[0]].append(item)
        for file, items in by_file.items():
            told = in_child(functools.partial(self._record_in_child, items), 1200)
            kept[file] = {
                "digest": digests[file],
                "tests": {test: [seconds, entered] for test, seconds, entered in told if seconds >= 0},
            }
            for test, seconds, _ in told:
                if seconds < 0:
                    print(f"fails without a mutant, and is left out: {test}", flush=True)
            self.kept.write_text(json.dumps(kept))
        for known in kept.values():
            self.records |= {test: Record(*record) for test, record in known["tests"].items()}

    def _record_in_child(self, items: list[pytest.Item], tell: Tell) -> None:
        own_database()
        entered: set[CodeType] = set()

        def note(frame: FrameType, _: str, __: Any) -> None:  # only calls, since None asks for no lines
            entered.add(frame.f_code)

        threading.settrace(note)
        for item in items:
            entered.clear()
            limit(300)
            began = time.process_time()
            sys.settrace(note)
            is_passed = run(item)
            sys.settrace(None)
            took = time.process_time() - began
            tell(
                item.nodeid,
                took if is_passed else -1.0,
                sorted({name for code in set(entered) if (name := place_of(code))}),
            )


class _Nothing:
    """The next test, for pytest: one that needs no fixture of a module or package."""

    def __init__(self, session: pytest.Session) -> None:
        self.session = session

    def listchain(self) -> list[pytest.Session]:
        return [self.session]


def run(item: pytest.Item) -> bool:
    """Run a test and end all fixtures but those of the session. Return whether the test passes."""
    following: Any = _Nothing(item.session)
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))


def place_of(code: CodeType) -> str:
    path = Path(code.co_filename)
    if not path.is_relative_to(CODE) or path.relative_to(CODE).parts[0] not in PACKAGES:
        return ""
    return f"{path.relative_to(CODE)}:{code.co_qualname.partition('.<locals>')[0]}"


def _forget_caches() -> None:
    """Forget what cached functions of the project computed without a mutant."""
    for each in gc.get_objects():  # `isinstance` would evaluate lazy objects
        if type(each) is functools._lru_cache_wrapper and _is_ours(each.__module__):
            each.cache_clear()


def _is_ours(module: str | None) -> bool:
    return (module or "").partition(".")[0] in PACKAGES


# --- Children

Tell = Callable[..., None]
Originals = dict[tuple[str, str, int], list[FunctionType]]


def in_child(work: Callable[[Tell], None], seconds: float) -> list[Any]:
    """Run work in a forked child that may tell lines. Return the lines."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (1, 2):
            os.dup2(nowhere, number)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        limit(seconds)
        try:
            with os.fdopen(writing, "w") as pipe:

                def tell(*values: Any) -> None:
                    pipe.write(json.dumps(values) + "\n")
                    pipe.flush()

                work(tell)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = [json.loads(line) for line in pipe if line.endswith("\n")]
    _, status = os.waitpid(child, 0)
    shutil.rmtree(_folder(child), ignore_errors=True)
    if os.WIFSIGNALED(status) and (not told or told[-1][0] not in ("killed", "survived")):
        told.append(
            ["timeout" if os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM) else f"signal {os.WTERMSIG(status)}"]
        )
    return told


def limit(seconds: float) -> None:
    """End this process after so many seconds of CPU time, and after three times as many seconds if the process only waits."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(int(3 * seconds))


def _folder(child: int) -> Path:
    shared_memory = Path("/dev/shm")  # noqa: S108
    return (shared_memory if shared_memory.is_dir() else Path(tempfile.gettempdir())) / f"mutation-{child}"


def own_database() -> None:
    """Give this process a copy of the session's database."""
    from django.db import connections

    settings = connections["default"].settings_dict
    folder = _folder(os.getpid())
    folder.mkdir()
    settings["NAME"] = shutil.copy(settings["NAME"], folder / "test.sqlite3")


def functions_by_place() -> Originals:
    """Return the functions of the project that exist, by file, qualified name and first line."""
    found: Originals = defaultdict(list)
    for each in gc.get_objects():
        if type(each) is FunctionType and place_of(each.__code__):
            code = each.__code__
            found[code.co_filename, code.co_qualname, code.co_firstlineno].append(each)
    return found


def exchange_function(mutant: Mutant, originals: Originals) -> None:
    code = next(code for code in _codes(mutant.code) if (code.co_qualname, code.co_firstlineno) == mutant.function)
    for function in originals[str(mutant.path), *mutant.function]:
        function.__code__ = code


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def exchange_module(mutant: Mutant) -> None:
    """Run the mutated module beside the original. Put the values of the new module where the project has those of the original."""
    name = ".".join(mutant.path.relative_to(CODE).with_suffix("").parts).removesuffix(".__init__")
    old = sys.modules[name]
    new = ModuleType(name)
    new.__dict__.update(
        __file__=str(mutant.path),
        __package__=old.__package__,
        __spec__=old.__spec__,
        __path__=getattr(old, "__path__", []),
    )
    exec(mutant.code, new.__dict__)  # noqa: S102 - code of the project
    for key, value in vars(new).items():
        before = vars(old).get(key)
        if key.startswith("__") or isinstance(value, ModuleType) or getattr(value, "__module__", name) != name:
            continue
        if isinstance(value, FunctionType) and isinstance(before, FunctionType):
            before.__defaults__, before.__kwdefaults__ = value.__defaults__, value.__kwdefaults__
        elif isinstance(value, type) and isinstance(before, type):
            _exchange_class(before, value)
        elif value != before:
            for module in [module for module in sys.modules.values() if _is_ours(module.__name__)]:
                if key in vars(module) and vars(module)[key] == before:
                    setattr(module, key, value)


def _exchange_class(old: type, new: type) -> None:
    for key, value in vars(new).items():
        before = vars(old).get(key)
        if isinstance(value, FunctionType) and isinstance(before, FunctionType):
            before.__defaults__, before.__kwdefaults__ = value.__defaults__, value.__kwdefaults__
        elif not key.startswith("__") and isinstance(value, int | float | str | tuple | frozenset) and value != before:
            setattr(old, key, value)


# --- The command


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.split("\n", 1)[0])
    parser.add_argument("paths", nargs="+", type=Path, help="files or folders whose code is mutated")
    parser.add_argument("--sample", type=int, help="try only so many mutants, chosen at random")
    parser.add_argument("--seed", type=int, default=1, help="of the choice")
    parser.add_argument("--lines", help="try only mutants of these lines: 10-20")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="files or folders of tests")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of tests for one mutant, at most")
    parser.add_argument("--list", action="store_true", help="only list the mutants")
    chosen = parser.parse_args()
    mutants: list[Mutant] = []
    for path in chosen.paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            mutants += mutants_of(file.resolve())
    total = len(mutants)
    if chosen.lines:
        first, _, last = chosen.lines.partition("-")
        mutants = [mutant for mutant in mutants if int(first) <= mutant.line <= int(last or first)]
    if chosen.sample:
        mutants = sorted(mutants, key=lambda mutant: mutant.lot(chosen.seed))[: chosen.sample]
    print(f"{len(mutants)} of {total} mutants", flush=True)
    if chosen.list:
        for mutant in mutants:
            print(mutant.place, mutant.difference, sep="\n")
        return 0
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bigpanda_site.settings")
    from django.conf import settings

    runner = Runner(mutants, settings.DATA_DIR / "mutation.json", chosen.seconds)
    options = ["-q", "--no-header", "--capture=no", "-p", "no:cacheprovider", "-m", MARKERS]
    if code := pytest.main([*options, *chosen.tests], plugins=[runner]):
        return int(code)
    survivors = [mutant for mutant in mutants if not mutant.killer]
    alone = sum(not mutant.tests for mutant in survivors)
    print(f"\n{len(survivors)} of {len(mutants)} mutants survived, {alone} of them in functions that no test enters")
    for mutant in survivors:
        print(f"{mutant.place} ({mutant.tests} tests)", mutant.difference, sep="\n")
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
