"""Disturbs every command that writes, and counts what comes of it.

    python -m tests.faults kills --count 1000
    python -m tests.faults full permission --all

Each case is made from the seed and its number alone; what was done is in `--keep`, and an interrupted campaign is
resumed behind it. The exit code is 1 where there is a finding.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from tests.faults.children import import_everything
from tests.faults.commands import COMMANDS
from tests.faults.full import full
from tests.faults.kills import KILLS, SIGNALS, kills
from tests.faults.permission import permission
from tests.faults.rivals import rivals
from tests.faults.streams import streams
from tests.faults.workplace import Record, Workplace

CAMPAIGNS = ("kills", "signals", "full", "permission", "rivals", "streams")


def main(words: list[str] | None = None) -> int:
    """Runs a campaign."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("campaigns", choices=CAMPAIGNS, nargs="+")
    parser.add_argument("--only", choices=COMMANDS, action="append", help="a command; again for more")
    parser.add_argument("--count", type=int, default=100, help="of kills and signals")
    parser.add_argument("--all", action="store_true", help="every step and file, where some are left out else")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "convolens-faults")
    options = parser.parse_args(words)
    import_everything()
    folder = Path(tempfile.mkdtemp(prefix="convolens-faults-", dir=_quick_place()))
    folder.chmod(0o755)
    faulty = False
    try:  # not `TemporaryDirectory`, which the children would remove at their end
        workplace = Workplace(folder)
        for campaign in options.campaigns:
            record = Record(options.keep / f"{campaign}.jsonl")
            disturb(workplace, record, campaign, options)
            print(f"{campaign}\n{record.table()}", flush=True)
            faulty |= any(row["wrong"] for row in record.rows)
    finally:
        shutil.rmtree(folder)
    return int(faulty)


def disturb(workplace: Workplace, record: Record, campaign: str, options: argparse.Namespace) -> None:
    """Does a campaign's cases."""
    names = options.only or list(COMMANDS)
    match campaign:
        case "kills":
            kills(workplace, record, names, options.count, options.seed, KILLS)
        case "signals":
            kills(workplace, record, names, options.count, options.seed, SIGNALS)
        case "full":
            full(workplace, record, names, options.all)
        case "permission":
            permission(workplace, record, names, options.all)
        case "rivals":
            rivals(workplace, record, names)
        case "streams":
            streams(workplace, record, names)


def _quick_place() -> str | None:
    """Memory where there is some: every file that is done is flushed, which on a busy disk takes most of the time."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
