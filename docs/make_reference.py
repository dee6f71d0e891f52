"""Makes `docs/reference/`: every public name and every command, from signatures, docstrings and the command line.

.venv/bin/python docs/make_reference.py            writes the pages
.venv/bin/python docs/make_reference.py --check    says which no longer hold, and fails if any
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from typer.main import get_command

import convolens as cl
from convolens.cli import app

FOLDER = Path(__file__).parent / "reference"
NAMES = Path(cl.__file__).parent / "cli" / "names.json"
WIDTH = 100  # of a signature, before it gets a line for each parameter
MADE = "<!-- Made by docs/make_reference.py; what it says is in the docstrings. -->\n\n"
SECTIONS = {"Args": "", "Attributes": "", "Returns": "Returns", "Yields": "Yields", "Raises": "Raises"}

# A page for each area: what it is about, and what is on it, in order. A class is shown with its methods.
AREAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "sounds": (
        "Echo, reverb, and what takes echoes out again. Samples are `(frames,)` or `(frames, channels)`.",
        ("echo", "echo_kernel", "reverb", "unecho", "spectrogram",
         "effects.sounds.spectrogram_look.Spectrogram", "find_echoes", "effects.sounds.echo_search.Echoes"),
    ),
    "pictures": (
        "Filters of pictures `(H, W)` or `(H, W, C)`; they keep the dtype, but for edges.",
        ("blur", "resize", "sharpen", "unblur", "find_blur", "effects.pictures.blur_search.Blur", "sobel",
         "sobel_gradients", "scharr", "prewitt", "laplacian_of_gaussian", "difference_of_gaussians", "canny",
         "learned_edges"),
    ),
    "convolution": (
        "One operation under all of it, its plan, its gradients, and kernels by name.",
        ("convolve", "correlate", "convolve_gradients", "convolver", "convolution.Convolver", "plan", "planning.Plan",
         "kernel", "threads", "memory_limit"),
    ),
    "layers": (
        "The layers of a network, with torch.nn's meaning; `import convolens as cl` has them as `cl.layers`.",
        ("layers.conv2d", "layers.conv2d_backward", "layers.max_pool2d", "layers.max_pool2d_backward",
         "layers.Conv2d", "layers.MaxPool2d", "fuse", "precision"),
    ),
    "trunks": (
        "VGG and ResNet as feature extractors (backbones) whose taps (layers) have names.",
        ("trunk", "trunks.Trunk", "trunks.Preprocessing", "receptive_fields", "trunks.receptive.ReceptiveFields",
         "convolutionalize", "features.convolutionalize.Scanner", "share_trunk"),
    ),
    "models": (
        "A trunk with a head for a task: what is in a picture, and where.",
        ("load", "classifier", "models.Classifier", "models.classify.Prediction", "localizer", "models.Localizer",
         "models.localize.Location", "detector", "models.Detector", "models.detect.Detections",
         "models.Inspector", "results.Inspection", "quantize", "export", "exporting.export.Export",
         "exported.ExportedClassifier", "exported.ExportedLocalizer", "exported.ExportedDetector",
         "exported.ExportedInspector", "exported.ExportedEdges", "exported.ExportedFeatures"),
    ),
    "training": (
        "Your own pictures in, a model file out; and how good it is.",
        ("train", "training.run_folder.Run", "evaluate", "evaluation.result.Evaluation"),
    ),
    "predicting": (
        "Many pictures through a model, from folders, shards and stores, on one machine or a cluster.",
        ("predict_files", "inference.predict.BulkResult", "features_of_files", "inference.pooled_features.Features",
         "listen", "features.listening.Listened", "features.listening.Event",
         "similar", "inference.similar.Similar", "near_copies", "inference.near_copies.NearCopies"),
    ),
    "data": (
        "Data sets in the formats that people have them in.",
        ("convert", "data.conversion.Converted"),
    ),
    "explaining": (
        "Which part of a picture made a model say so.",
        ("explain", "explain_top", "explanation.Explanation", "explanation.SoundExplanation", "wrap_module"),
    ),
    "stylizing": (
        "A picture repainted in the style of another.",
        ("stylize", "stylization.Step", "stylization.State", "gram"),
    ),
    "files": (
        "Sounds and pictures from files and into them, boxes on pictures, and the errors that everything raises.",
        ("read_audio", "write_audio", "read_image", "write_image", "draw_boxes", "errors"),
    ),
}  # fmt: skip


def main() -> None:
    """Writes the pages, or with --check compares them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page no longer holds")
    check = parser.parse_args().check
    pages = {FOLDER / f"{name}.md": MADE + text for name, text in all_pages().items()}
    pages[NAMES] = json.dumps(completed_names(), indent=1) + "\n"
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text]
    stale += sorted(set(FOLDER.glob("*.md")) - set(pages))
    if check:
        if stale:
            names = ", ".join(path.name for path in stale)
            sys.exit(f"docs/reference: {names} no longer hold; run docs/make_reference.py")
        return
    FOLDER.mkdir(exist_ok=True)
    for path in stale:
        if path in pages:
            path.write_text(pages[path], "utf-8")
        else:
            path.unlink()


def completed_names() -> dict[str, Any]:
    """What a shell completes, so that it need not load what knows it."""
    import torch

    from convolens.data.formats import FORMATS
    from convolens.shapes import BOUNDARIES
    from convolens.trunks.registry import TRUNKS
    from convolens.trunks.weights.table import WEIGHTS

    def one(name: str) -> dict[str, Any]:
        published = [key.partition("/")[2] for key in WEIGHTS if key.startswith(f"{name}/")]
        with torch.device("meta"):  # no numbers are needed
            return {"weights": published, "taps": list(TRUNKS[name]().taps)}

    words = {
        "boundary": list(BOUNDARIES),
        "format": [form.name for form in FORMATS if form.write is not None],
        "device": ["auto", "cpu", "cuda"],
    }
    return {"trunks": {name: one(name) for name in TRUNKS}, "words": words}


def all_pages() -> dict[str, str]:
    """Each page's name and text."""
    need_all_names()
    pages = {name: area_page(name, about, names) for name, (about, names) in AREAS.items()}
    return pages | {"commands": commands_page(), "index": index_page()}


def need_all_names() -> None:
    """Fails where a public name is on no page."""
    shown = {name for _, names in AREAS.values() for name in names}
    missing = sorted(set(cl.__all__) - shown - {"__version__", "layers"})
    missing += [f"layers.{name}" for name in cl.layers.__all__ if f"layers.{name}" not in shown and name not in shown]
    if missing:
        sys.exit(f"docs/make_reference.py: AREAS needs a place for {', '.join(missing)}")


def index_page() -> str:
    """A line for each page, with what is on it."""
    lines = [
        "# Reference\n",
        "`import convolens as cl`; every name is looked up on first use. `Array` is a NumPy array or a torch tensor,\n"
        'and the result is of the same kind; in brackets are its dtypes and axes: `Float[Array, "frames ..."]`.\n',
    ]
    for name, (about, names) in AREAS.items():
        links = {one: f"[`{public(one)}`]({name}.md#{place})" for one, place in zip(names, anchors(names), strict=True)}
        calls = " ".join(link for one, link in links.items() if is_public(one))
        lines.append(f"- **[{name.capitalize()}]({name}.md)**: {about}  \n  {calls}")
    lines.append("- **[Commands](commands.md)**: the command line, the same words and the same defaults.")
    return "\n".join(lines) + "\n"


def area_page(name: str, about: str, names: tuple[str, ...]) -> str:
    """What an area has."""
    return "\n".join([f"# {name.capitalize()}\n", f"{about}\n", *(text for one in names for text in described(one))])


def described(name: str) -> Iterator[str]:
    """A name's heading, signature and docstring; of a class also its methods, of the errors each."""
    what = reduce(getattr, name.split("."), cl) if name.split(".")[0] in cl.__all__ else found(name)
    if inspect.ismodule(what):
        yield f"## {public(name)}\n"
        yield from docstring(what)
        for one in vars(what).values():
            if inspect.isclass(one) and one.__module__ == what.__name__:
                parents = ", ".join(parent.__name__ for parent in one.__bases__)
                yield f"- **`{public(name)}.{one.__name__}`** ({parents}): {inspect.getdoc(one)}"
        yield ""
        return
    yield f"## {public(name)}\n"
    yield signature_of(public(name), what)
    yield from docstring(what)
    if inspect.isclass(what):
        for method, value in members(what).items():
            if own(value) and inspect.getdoc(own(value)):
                yield f"### {what.__name__}.{method}\n"
                if not isinstance(value, property):
                    yield signature_of(f".{method}", own(value))
                yield from docstring(own(value))


def found(name: str) -> Any:
    """What a dotted path below the package is."""
    module, _, last = name.rpartition(".")
    return getattr(__import__(f"convolens.{module}", fromlist=[last]), last)


def members(what: type) -> dict[str, object]:
    """What a class and its bases here have to be called or read; the class's own last."""
    here = [one for one in reversed(what.__mro__) if one.__module__.startswith("convolens")]
    return {name: value for one in here for name, value in vars(one).items() if not name.startswith("_")}


def own(value: object) -> Any:
    """The function of a method or property as the class holds it; None for what is neither."""
    if isinstance(value, property):
        return value.fget
    if isinstance(value, classmethod | staticmethod):
        return value.__func__
    return value if inspect.isfunction(value) else None


def is_public(name: str) -> bool:
    """Whether it is reached as `cl.…`, rather than given by something that is."""
    return name.split(".")[0] in cl.__all__


def public(name: str) -> str:
    """As a reader writes it."""
    return f"cl.{name}" if is_public(name) else name.rpartition(".")[2]


def anchors(names: tuple[str, ...]) -> list[str]:
    """Of their headings on one page, as GitHub makes them: of two alike the second is numbered."""
    plain = [re.sub(r"[^\w-]", "", public(name).lower()) for name in names]
    return [one if (before := plain[:at].count(one)) == 0 else f"{one}-{before}" for at, one in enumerate(plain)]


def signature_of(name: str, what: Callable[..., Any]) -> str:
    """As code, with types and defaults; one parameter to a line where it is long."""
    if inspect.isclass(what) and issubclass(what, np.ndarray):
        return ""  # nobody makes one as NumPy would
    try:
        signature = inspect.signature(what)
    except ValueError:  # a class that takes what its base takes, in C
        return ""
    words, starred = [], False
    for one in signature.parameters.values():
        if one.name in ("self", "cls") or one.name.startswith("_") or typed(one.annotation) == "Never":
            continue
        if one.kind is one.KEYWORD_ONLY and not starred:
            words.append("*")
            starred = True
        words.append(parameter(one))
    gives = "" if inspect.isclass(what) else f" -> {typed(signature.return_annotation)}".removesuffix(" -> Any")
    line = f"{name}({', '.join(words)}){gives}"
    if len(line) > WIDTH:
        line = f"{name}(\n" + "".join(f"    {word},\n" for word in words) + f"){gives}"
    return f"```python\n{line}\n```\n"


def parameter(one: inspect.Parameter) -> str:
    """With its type and default."""
    stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
    annotation = "" if one.annotation is one.empty or typed(one.annotation) == "Any" else f": {typed(one.annotation)}"
    default = "" if one.default is one.empty else f" = {shown(one.default)}"
    return f"{stars}{one.name}{annotation}{default}"


def shown(default: object) -> str:
    """A default as code, the same on every machine."""
    if callable(default):
        return getattr(default, "__name__", "…")
    return repr(default).replace("'", '"')


def typed(annotation: object) -> str:
    """An annotation as code; what only says that it has a shape is an array."""
    if annotation is inspect.Signature.empty:
        return "None"
    words = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\[Any, (?=\")", "[Array, ", words.replace("'", '"'))


def docstring(what: object) -> Iterator[str]:
    """A docstring in Google's sections as Markdown."""
    for block in blocks(inspect.getdoc(what) or ""):
        head, _, rest = block.partition("\n")
        title = head.removesuffix(":")
        if head.endswith(":") and title in SECTIONS and rest:
            if SECTIONS[title]:
                yield f"{SECTIONS[title]}:\n"
            yield "\n".join(entries(inspect.cleandoc(rest), named=title in ("Args", "Attributes", "Raises"))) + "\n"
        elif block.startswith(">>>"):
            yield f"```pycon\n{block}\n```\n"
        else:
            yield block + "\n"


def blocks(text: str) -> Iterator[str]:
    """Its paragraphs; those of one section, or of one example, together."""
    held: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        if held and (block.startswith(" ") or (held[0].startswith(">>>") and block.startswith(">>>"))):
            held.append(block)
            continue
        if held:
            yield "\n\n".join(held)
        held = [block]
    if held:
        yield "\n\n".join(held)


def entries(text: str, *, named: bool) -> Iterator[str]:
    """The entries of a section as a list; a section without names as text."""
    if not named:
        yield text
        return
    for line in text.splitlines():
        entry = re.match(r"(\S[\w*, ]*): (.*)", line)
        yield f"- **{entry[1]}**: {entry[2]}" if entry else f"  {line.strip()}"


def commands_page() -> str:
    """Every command with its usage, its examples and a table of its options."""
    lines = ["# Commands\n", "What `--help` of each says. In Python the options are arguments of the same name.\n"]
    leaves = list(commands(get_command(app), "convolens"))
    lines += [f"- [`{path}`](#{path.replace(' ', '-')})" for path, _ in leaves]
    for path, command in leaves:
        lines.append(f"\n## {path}\n")
        said, _, examples = (command.help or "").replace("\b", "").partition("Example")
        lines.append(coded(said.strip()) + "\n")
        if examples:
            code = inspect.cleandoc(examples.partition("\n")[2])
            lines.append(f"```sh\n{code}\n```\n")
        lines += ["| option | default | what it does |", "|---|---|---|"]
        lines += [option_row(one) for one in command.params if one.name != "help"]
    return "\n".join(lines) + "\n"


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with how it is called."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, child in below.items():
        yield from commands(child, f"{path} {name}")


def option_row(one: Any) -> str:
    """An option, or an argument, as a row."""
    option = one.opts[0].startswith("-")
    name = "`, `".join((*one.opts, *one.secondary_opts)) if option else one.metavar
    if option and not one.is_flag:
        name += f" {one.metavar or one.name.upper()}"
    default = one.default() if callable(one.default) else one.default
    if one.required:
        default_words = "required"
    elif default is None or default is False or default == []:
        default_words = ""
    elif default is True and one.secondary_opts:
        default_words = f"`{one.opts[0]}`"
    else:
        default_words = f"`{default}`"
    again = " Repeatable." if option and one.multiple else ""
    words = "` `".join(name.split(" ")) if option and not one.is_flag else name  # so that no line breaks in an option
    return f"| {in_cell(f'`{words}`')} | {default_words} | {in_cell(coded(one.help or ''))}{again} |"


def coded(words: str) -> str:
    """Help with its options and patterns as code, which a page shows, and a reader copies, letter by letter."""
    return re.sub(r"(?<![\w`-])(--[a-z][\w-]*|(['\"])[^'\" ]*[*/:[][^'\" ]*\2)", r"`\1`", words)


def in_cell(words: str) -> str:
    """As a cell of a table can have it."""
    return words.replace("|", "\\|")


if __name__ == "__main__":
    main()
