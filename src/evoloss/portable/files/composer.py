"""One file of code from the functions that a loss is made of, wherever they stand in this package.

Beginning with some functions, what they name is looked for and put before them: functions and classes as
they stand in their modules, constants by their values. Types are left out, and of docstrings all but the
first line. Operations are those of one library, without the ones that nothing asks for.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import keyword
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from evoloss.portable.files.source import Module, as_text, stripped

PACKAGE = "evoloss"
WIDEST = 100
OPERATIONS = "OPERATIONS"
"""The name of the operations in a file."""
_DEFAULT = "TENSORS"  # the operations that functions here have by default, which a file gives in every call


@dataclass
class Composer:
    """The parts of a file.

    Attributes:
        imports: lines that import modules of Python.
        constants: lines of constants, by name.
        classes: sources, by name.
        functions: sources, by name, each after those that it calls.
        names: names in the file, of what stands in a module under a name.
    """

    imports: set[str] = field(default_factory=set)
    constants: dict[str, str] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, function: Callable[..., Any]) -> str:
        """Put a function and all that it needs into the file; returns its name there."""
        return self._placed(Module.of(sys.modules[function.__module__]), function.__name__)

    def operations(self, module: Module, kind: str) -> str:
        """The source of a class of operations, without those that nothing in the file asks for."""
        asked = set(re.findall(r"\.(\w+)\b", "\n".join(self.functions.values())))
        source = stripped(module, kind, {}, _DEFAULT, members=asked)
        opening = f"class {kind}:\n"
        said = '    """The operations of the library, by the names that the formulas have for them."""\n\n'
        return f"{source.replace(opening, opening + said, 1)}\n\n\n{OPERATIONS} = {kind}()"

    def _placed(self, module: Module, name: str) -> str:
        """The name in the file of what a module has under a name, which is put there."""
        node = module.definition(name)
        if isinstance(node, ast.ImportFrom):
            source, original = node.module or "", module.imported(node, name)
            if source.split(".")[0] == PACKAGE:
                return self._placed(Module.of(import_module(source)), original)
            said = original if original == name else f"{original} as {name}"
            self.imports.add(f"from {source} import {said}")
            return name
        if isinstance(node, ast.Import):
            self.imports.add(f"import {name}")
            return name
        known = self.names.get((module.name, name))
        if known is None:
            known = self._same_constant(module, name)
        if known is None:
            known = self.names[module.name, name] = self._free(module, name)
            self._define(module, name, known, node)
        return known

    def _same_constant(self, module: Module, name: str) -> str | None:
        """The name itself, if another module has the same constant under it."""
        line = self.constants.get(name)
        value = module.value(name)
        same = isinstance(value, float) and line is not None and line.startswith(f"{name} = {value!r}")
        return name if same else None

    def _free(self, module: Module, name: str) -> str:
        """A name that nothing else in the file has."""
        taken = set(self.names.values())
        if name not in taken:
            return name
        part = module.name.rpartition(".")[2]
        private = "_" if name.startswith("_") else ""
        return f"{private}{part.upper() if name.isupper() else part}_{name.lstrip('_')}"

    def _define(self, module: Module, name: str, known: str, node: ast.stmt | None) -> None:
        value = module.value(name)
        if isinstance(node, ast.FunctionDef):
            renamed = {other: self._placed(module, other) for other in _globals(node, module)}
            self.functions[known] = stripped(module, name, {**renamed, name: known}, _DEFAULT)
        elif isinstance(node, ast.ClassDef) and issubclass(value, tuple):
            self.imports.add("from typing import Any, NamedTuple")
            summary = (inspect.getdoc(value) or "").splitlines()[0]
            fields = "\n".join(f"    {name}: Any" for name in value._fields)
            self.classes[known] = f'class {known}(NamedTuple):\n    """{summary}"""\n\n{fields}'
        elif isinstance(value, bool | int | float | str | tuple):
            self.constants[known] = literal(known, value, module.comment(node))
        else:
            raise TypeError(f"{module.name}.{name} cannot stand in a file of its own")

    def body(self, module: Module, kind: str) -> str:
        """The file without its head: constants, classes, operations, functions.

        Args:
            module: where the class of the operations is.
            kind: its name.
        """
        operations = self.operations(module, kind)
        parts = ["\n".join(self.constants.values()), *self.classes.values(), operations]
        return "\n\n\n".join([*(part for part in parts if part), *self.functions.values()])


def _globals(function: ast.FunctionDef, module: Module) -> Iterator[str]:
    """Names that a function reads and that are not its own, types left out."""
    arguments = function.args
    own = {arg.arg for arg in (*arguments.args, *arguments.kwonlyargs)}
    own |= {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    own |= {arg.arg for node in ast.walk(function) if isinstance(node, ast.Lambda) for arg in node.args.args}
    seen = []
    for node in _without_types(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in own:
            name = node.id
            if name in seen or hasattr(builtins, name) or keyword.iskeyword(name) or name == _DEFAULT:
                continue
            seen.append(name)
            yield name


def _without_types(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _without_types(child)


def literal(name: str, value: Any, comment: str = "") -> str:
    """A line that gives a value a name, or several lines where it is long."""
    line = f"{name} = {value!r}{comment}".replace("'", '"')
    if len(line) <= WIDEST:
        return line
    return f"{name} = {_laid_out(value, 0)}".replace("'", '"')


def _laid_out(value: Any, depth: int) -> str:
    """A value on several lines where it is long, four spaces deeper inside."""
    inner, outer = " " * 4 * (depth + 1), " " * 4 * depth
    if not isinstance(value, dict | list | tuple) or len(repr(value)) + len(inner) <= WIDEST:
        return repr(value)
    if isinstance(value, dict):
        lines = [f"{inner}{key!r}: {_laid_out(entry, depth + 1)}," for key, entry in value.items()]
        return "\n".join(["{", *lines, outer + "}"])
    entries = [_laid_out(entry, depth + 1) for entry in value]
    if any("\n" in entry for entry in entries):
        lines = [f"{inner}{entry}," for entry in entries]
    else:
        lines = textwrap.wrap(", ".join(entries) + ",", WIDEST, initial_indent=inner, subsequent_indent=inner)
    opening, closing = "[]" if isinstance(value, list) else "()"
    return "\n".join([opening, *lines, outer + closing])


def summary_of(function: Callable[..., Any]) -> str:
    """The first line of a docstring, its formula as plain text."""
    return as_text((inspect.getdoc(function) or "").splitlines()[0])


__all__ = ["OPERATIONS", "Composer", "as_text", "literal", "summary_of"]
