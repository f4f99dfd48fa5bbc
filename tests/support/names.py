"""What a module takes from which library, by its syntax tree: it does not matter how that was imported.

A library that is handed on as a whole (`h = hashlib`, `getattr(hashlib, ...)`) is found by its own name.
"""

import ast


class Names(ast.NodeVisitor):
    """The dotted paths of all that is used of what was imported: `hashlib.sha256`, `nacl.bindings.crypto_sign`."""

    def __init__(self, code: str) -> None:
        self._imported: dict[str, str] = {}
        self.found: set[str] = set()
        self.visit(ast.parse(code))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            # `import a.b` binds `a`; `import a.b as c` binds `c` to all of it.
            path = alias.name if alias.asname else alias.name.partition(".")[0]
            self._imported[alias.asname or path] = path

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self._imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            if alias.name == "*":
                # Which of them is used can't be told: all may be.
                self.found.add(f"{node.module}.*")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = self._path(node)
        if path is None:
            self.generic_visit(node)
        else:
            self.found.add(path)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in self._imported:
            self.found.add(self._imported[node.id])

    def _path(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self._imported.get(node.id)
        if not isinstance(node, ast.Attribute):
            return None
        above = self._path(node.value)
        return above and f"{above}.{node.attr}"
