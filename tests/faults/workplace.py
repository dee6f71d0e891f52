"""The folder that commands are disturbed in, and what each does where nothing disturbs it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.faults.children import Run, run
from tests.faults.commands import COMMANDS, Command, make_inputs
from tests.faults.looking import difference, half_written, leftovers, snapshot, untouched


@dataclass(frozen=True)
class Undisturbed:
    """What a command does where nothing disturbs it: the files, their bytes, and its processor seconds."""

    files: dict[str, str]
    sizes: list[int]
    seconds: float


class Workplace:
    """A folder with `in`, `out` and `tmp`.

    Args:
        folder: where; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        for name in ("in", "out", "tmp"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir(parents=True)
        make_inputs(self.folder / "in")
        assert self.inputs
        self._known: dict[tuple[str, bool], Undisturbed] = {}

    @property
    def out(self) -> Path:
        """Where commands write."""
        return self.folder / "out"

    @cached_property
    def inputs(self) -> dict[str, str]:
        """What nothing may change."""
        return untouched(self.folder / "in")

    def clear(self) -> None:
        """Empties what commands write into."""
        for name in ("out", "tmp"):
            place = self.folder / name
            for path in place.iterdir():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def again(self, command: Command) -> list[str]:
        """What is typed to go on behind what an interrupted run has left; stylize refuses to where it left nothing."""
        begun = any(self.out.rglob(".*.resume.safetensors")) or (self.out / "run").exists()
        return f"{command.line} {command.again if command.again != '--resume' or begun else ''}".split()

    def undisturbed(self, name: str, *, true: bool = False) -> Undisturbed:
        """What a command does where nothing disturbs it; looked at once.

        Raises:
            RuntimeError: it does not end as it should.
        """
        if (name, true) not in self._known:
            command = COMMANDS[name]
            self.clear()
            done = run(command.line.split(), self.folder, true=true)
            if wrong := self.wrong(command, done, None):
                raise RuntimeError(f"{name}, undisturbed: {wrong}\n{done.err}")
            sizes = [path.stat().st_size for path in self.out.rglob("*") if path.is_file()]
            self._known[name, true] = Undisturbed(snapshot(self.out), sizes, done.seconds)
        return self._known[name, true]

    def wrong(self, command: Command, done: Run, files: dict[str, str] | None) -> str:
        """What is wrong after a command that nothing disturbed, or nothing any more; "" where all is well."""
        if done.hung:
            return "hang"
        if "Traceback" in done.err:
            return f"traceback: {done.err.strip().splitlines()[-1]}"
        if done.code != command.code:
            return f"exit code {done.code}: {done.err.strip()[-300:]}"
        if cut := half_written(self.out):
            return f"half-written: {cut[0]}"
        if left := leftovers(self.folder):
            return f"leftover: {', '.join(left)}"
        if files is not None and command.same and (unlike := difference(snapshot(self.out), files)):
            return f"differs: {unlike}"
        if unlike := difference(untouched(self.folder / "in"), self.inputs):
            return f"inputs changed: {unlike}"
        return ""


class Record:
    """What came of each case, a line of JSON each, so that a campaign is resumed where it was interrupted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            self.rows = [json.loads(line) for line in path.read_text().splitlines()]
        self.done = {row["case"] for row in self.rows}

    def add(self, **row: Any) -> None:
        """Writes down a case, and says it if something is wrong."""
        self.rows.append(row)
        self.done.add(row["case"])
        with self.path.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        if row["wrong"]:
            print(f"{row['case']}: {row['wrong']}", flush=True)

    def table(self) -> str:
        """Cases, kills in them where there were any, and what was wrong, by command."""
        rows = [("command", "cases", "kills", "wrong")]
        for name in (*COMMANDS, None):
            of = [row for row in self.rows if name in (None, row["command"])]
            if of:
                numbers = len(of), sum(row.get("kills", 0) for row in of), sum(bool(row["wrong"]) for row in of)
                rows.append((name or "all", *map(str, numbers)))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return "\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
