"""Which definitions of the project a piece of code leads to, found by reading names and imports, running nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Place = tuple[str, str]  # (module, name); the name is "" for the module itself
ROOM_OF_FORMULAS = "autograd.kernels.reference"
"""What `kernels.f` and `room(x).f` stand for in autograd: which room is chosen when it runs, the formulas are one."""


@dataclass(frozen=True)
class Module:
    """What the names at the top of a module stand for."""

    name: str
    definitions: dict[str, ast.AST]
    imports: dict[str, Place]


class Library:
    """The packages under `root`, read once."""

    def __init__(self, root: Path, packages: tuple[str, ...] = ("autograd", "tinygpt")) -> None:
        self.modules: dict[str, Module] = {}
        for path in (path for package in packages for path in sorted((root / package).rglob("*.py"))):
            parts = path.relative_to(root).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            self.modules[name] = _read(path, name, name if is_package else name.rpartition(".")[0])
        self._found: dict[Path, set[Place]] = {}

    def leads_to(self, path: Path) -> set[Place]:
        """Every definition that the file uses, that those use, and so on."""
        if path not in self._found:
            self._found[path] = self._follow(path)
        return self._found[path]

    def _follow(self, path: Path) -> set[Place]:
        seen: set[Place] = set()
        waiting = list(self._uses(ast.parse(path.read_text(encoding="utf-8")), _read(path, "", "")))
        while waiting:
            place = waiting.pop()
            if place not in seen and place[1]:
                seen.add(place)
                module = self.modules[place[0]]
                waiting += self._uses(module.definitions[place[1]], module)
        return seen

    def _uses(self, tree: ast.AST, module: Module) -> Iterator[Place]:
        for node in ast.walk(tree):
            place = self._place(node, module)
            if place is not None:
                yield place

    def _place(self, node: ast.AST, module: Module) -> Place | None:
        """What a name, or an attribute of a module, stands for; None for all other code."""
        if isinstance(node, ast.Name):
            return self._lookup(module, node.id)
        if not isinstance(node, ast.Attribute):
            return None
        if ast.unparse(node.value).startswith(("kernels", "room(")):
            return self._resolve((ROOM_OF_FORMULAS, node.attr))
        owner = self._place(node.value, module)
        return self._resolve((owner[0], node.attr)) if owner is not None and not owner[1] else None

    def _lookup(self, module: Module, name: str) -> Place | None:
        if name in module.definitions and module.name:
            return module.name, name
        place = module.imports.get(name)
        if place == (module.name, name):  # from . import a_module_beside_me
            return f"{module.name}.{name}", ""
        return self._resolve(place) if place is not None else None

    def _resolve(self, place: Place) -> Place | None:
        """The definition behind a name that may have been imported on the way; None for what is not ours."""
        module, name = place
        if module not in self.modules or not name:
            return place if module in self.modules else None
        found = self._lookup(self.modules[module], name)
        return found or ((inner, "") if (inner := f"{module}.{name}") in self.modules else None)


def _read(path: Path, name: str, package: str) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    definitions = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef | ast.ClassDef)}
    imports: dict[str, Place] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {each.asname or each.name.partition(".")[0]: (each.name, "") for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            above = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
            source = ".".join(filter(None, (above, node.module)))
            imports |= {each.asname or each.name: (source, each.name) for each in node.names}
    return Module(name, definitions, imports)
