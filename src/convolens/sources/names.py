"""Names of samples in a shard or a table: each once, and none that would lead out of a folder."""

from __future__ import annotations

import os.path


def leads_out(name: str) -> bool:
    """Whether a name, taken for a path below some folder, would lead out of it or nowhere.

    >>> leads_out("cats/a.jpg"), leads_out("../a.jpg"), leads_out("/etc/passwd")
    (False, True, True)
    """
    parts = name.replace("\\", "/").split("/")
    return not name or not parts[0] or ".." in parts or "\0" in name or ":" in parts[0]


class Names:
    """The names met so far; 8 bytes are kept of each."""

    def __init__(self) -> None:
        self._met: set[int] = set()

    def fault(self, name: str) -> str:
        """In words, what is wrong with the next name; nothing where it can be used."""
        if leads_out(name):
            return f"need names that stay inside, got {name!r}"
        if hash(name) in self._met:
            return f"need samples of different names, got two of {name!r}; the first is taken"
        self._met.add(hash(name))
        return ""

    @staticmethod
    def another(where: str, number: int) -> str:
        """A name for what cannot have its own, with its suffix: `a.jpg` at 512 is `a@512.jpg`."""
        stem, suffix = os.path.splitext(where)  # noqa: PTH122
        return f"{stem}@{number}{suffix}"
