"""Sources of functions and classes without their types."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources.abc import Traversable
from types import ModuleType
from typing import Any

Edit = tuple[int, int, bytes]
"""The bytes of a source from one place to another, and what stands there instead."""


@dataclass(frozen=True, eq=False)
class Module:
    """A module and its source.

    Attributes:
        module: the module; None if it is not imported.
        source: its text.
        tree: of it.
    """

    module: ModuleType | None
    source: bytes
    tree: ast.Module

    @classmethod
    def of(cls, module: ModuleType) -> Module:
        """The source of a module."""
        return _read(module)

    @classmethod
    def at(cls, path: Traversable) -> Module:
        """The source of a module that is not imported, since that needs a library."""
        text = path.read_text(encoding="utf-8")
        return cls(None, text.encode(), ast.parse(text))

    @property
    def name(self) -> str:
        """Of the module."""
        return "" if self.module is None else self.module.__name__

    def value(self, name: str) -> Any:
        """The value that the module has under a name."""
        return getattr(self.module, name)

    def definition(self, name: str) -> ast.stmt | None:
        """The statement by which the module has a name; None if there is none."""
        found: ast.stmt | None = None
        for node in self.tree.body:
            match node:
                case ast.FunctionDef() | ast.ClassDef() if node.name == name:
                    found = node
                case ast.Assign(targets=[ast.Name(id=one)]) if one == name:
                    found = node
                case ast.AnnAssign(target=ast.Name(id=one)) if one == name:
                    found = node
                case ast.ImportFrom() | ast.Import():
                    if any((alias.asname or alias.name) == name for alias in node.names):
                        found = node
        return found

    def imported(self, node: ast.ImportFrom, name: str) -> str:
        """The name that is imported by another one."""
        return next(alias.name for alias in node.names if (alias.asname or alias.name) == name)

    def comment(self, node: ast.stmt | None) -> str:
        """The comment behind a statement, with two spaces before it."""
        if node is None or node.end_lineno is None:
            return ""
        line = self.source.decode().splitlines()[node.end_lineno - 1]
        found = re.search(r"  # (?!type:|noqa)[^#]*$", line)
        return found[0] if found else ""

    def offset(self, line: int, column: int) -> int:
        """The place of a line and a column, in bytes."""
        return _starts(self.source)[line - 1] + column


@lru_cache(maxsize=64)
def _read(module: ModuleType) -> Module:
    text = inspect.getsource(module)
    return Module(module, text.encode(), ast.parse(text))


@lru_cache(maxsize=64)
def _starts(source: bytes) -> list[int]:
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def stripped(
    module: Module,
    name: str,
    renamed: Mapping[str, str],
    default: str,
    members: Collection[str] | None = None,
) -> str:
    """The source of a function or a class without types, with the first line of each docstring.

    Args:
        module: where it stands.
        name: of it.
        renamed: other names for what it names.
        default: a name; arguments that have it for a default have none.
        members: of a class, the ones that stay; None for all.
    """
    node = module.definition(name)
    assert isinstance(node, ast.FunctionDef | ast.ClassDef)
    edits = [*_edits(module, node, renamed, default)]
    if isinstance(node, ast.ClassDef) and members is not None:
        edits += _left_out(module, node, members)
    first = node.decorator_list[0] if node.decorator_list else node
    start = module.offset(first.lineno, 0)
    end = module.offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
    text, at = b"", start
    for begin, stop, instead in sorted(edits):
        if begin < at:
            continue  # within what is left out
        text, at = text + module.source[at:begin] + instead, stop
    lines = (text + module.source[at:end]).decode()
    lines = re.sub(r"  # (?:type:|noqa)[^\n]*", "", lines)
    lines = re.sub(r"^(class \w+:)\n\n", r"\1\n", lines)
    # Arguments that were on a line of their own for their types alone.
    return re.sub(r"\(\n +([^\n]*[^\n,])\n *\):", r"(\1):", lines)


def _edits(module: Module, root: ast.AST, renamed: Mapping[str, str], default: str) -> Iterator[Edit]:
    for node in ast.walk(root):
        match node:
            case ast.FunctionDef():
                yield from _of_arguments(module, node, default)
                yield from _docstring(module, node)
                if node.name in renamed and renamed[node.name] != node.name:
                    start = module.offset(node.lineno, node.col_offset) + len("def ")
                    yield start, start + len(node.name), renamed[node.name].encode()
            case ast.ClassDef():
                yield from _docstring(module, node)
            case ast.AnnAssign(target=target, annotation=annotation):
                yield module.offset(*_end(target)), module.offset(*_end(annotation)), b""
            case ast.Name(id=one) if renamed.get(one, one) != one:
                start = module.offset(node.lineno, node.col_offset)
                yield start, start + len(one.encode()), renamed[one].encode()


def _of_arguments(module: Module, node: ast.FunctionDef, default: str) -> Iterator[Edit]:
    """Types of arguments and of the result, and defaults that are left out."""
    arguments = [*node.args.args, *node.args.kwonlyargs]
    for argument in arguments:
        if argument.annotation is not None:
            start = module.offset(argument.lineno, argument.col_offset) + len(argument.arg.encode())
            yield start, module.offset(*_end(argument.annotation)), b""
    with_default = node.args.args[len(node.args.args) - len(node.args.defaults) :]
    for argument, value in zip(with_default, node.args.defaults, strict=True):
        if isinstance(value, ast.Name) and value.id == default:
            yield module.offset(*_end(argument)), module.offset(*_end(value)), b""
    if node.returns is not None:
        start = module.source.rindex(b" ->", 0, module.offset(node.returns.lineno, node.returns.col_offset))
        yield start, module.offset(*_end(node.returns)), b""


def _docstring(module: Module, node: ast.FunctionDef | ast.ClassDef) -> Iterator[Edit]:
    match node.body[0]:
        case ast.Expr(value=ast.Constant(value=str(text))) as found:
            line = as_text(text.strip().splitlines()[0])
            mark = 'r"""' if "\\" in line else '"""'
            start, end = (
                module.offset(found.lineno, found.col_offset),
                module.offset(*_end(found)),
            )
            yield start, end, f'{mark}{line}"""'.encode()


def _left_out(module: Module, node: ast.ClassDef, members: Collection[str]) -> Iterator[Edit]:
    """The members of a class that do not stay, with the lines above them; the class's docstring too."""
    for before, member in zip([None, *node.body], node.body, strict=False):
        match member:
            case ast.FunctionDef(name=name):
                pass
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                pass
            case _:
                name = ""
        if name not in members:
            above = node if before is None else before
            start = module.offset(above.lineno + 1, 0) if before is None else module.offset(*_end(above))
            end = module.offset(*_end(member))
            yield start, end + (1 if before is None else 0), b""


def _end(node: ast.expr | ast.stmt | ast.arg) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def as_text(line: str) -> str:
    """A line of reStructuredText without its marks."""
    line = re.sub(r":math:`([^`]*)`", r"\1", line)
    line = re.sub(r":\w+:`~?([\w.]+)`", lambda found: found[1].rpartition(".")[2], line)
    return line.replace("``", "")
