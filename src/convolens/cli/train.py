"""`convolens train classify|localize|detect|unusual`: teach a network your own pictures.

Which options there are, of which type, with which default and help, is read from the signature and the docstring of
`convolens.train`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from inspect import Parameter, Signature, cleandoc
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer

from convolens.cli.budget import Commands
from convolens.cli.telling import answer, tell, tell_failure, tell_written, telling_what_is_kept
from convolens.training.train import STEPLESS, options, train

if TYPE_CHECKING:
    from collections.abc import Iterable

    from convolens.data import Skipped

CLASSIFY = """Teach a network to tell classes of pictures apart.

With weights that somebody else trained, only a head is trained, in seconds. --finetune trains the trunk too.

\b
Examples:
  convolens train classify photos --out runs/photos
  convolens train classify photos --trunk vgg16 --weights hed --tap conv4_3 --out runs/photos
  convolens train classify digits --trunk resnet18 --stem small --no-flip --minutes 3 --out runs/digits
"""
LOCALIZE = """Teach a network whether there is an object in a picture, which, and where.

\b
Example:
  convolens train localize digits --trunk resnet18 --width 0.5 --tap layer2.1 --no-flip --minutes 10 --out runs/1
"""
DETECT = """Teach a network what is where in a picture, any number of objects at once; or in a sound, when and how high.

\b
Examples:
  convolens train detect photos --trunk vgg16 --weights hed --out runs/photos
  convolens train detect digits --trunk resnet18 --width 0.375 --size 128 --no-flip --minutes 25 --out runs/digits
  convolens train detect calls --minutes 5 --out runs/calls
"""
UNUSUAL = """Teach a network what good pictures look like, to find those that are not, and where.

Statistics of a network's features in good pictures alone: one pass over them, and no steps.

\b
Examples:
  convolens train unusual good --out runs/parts
  convolens train unusual mvtec/bottle --method patchcore --out runs/bottle
"""
COMMANDS = {"classify": CLASSIFY, "localize": LOCALIZE, "detect": DETECT, "unusual": UNUSUAL}
TASKS = "|".join(COMMANDS)
TASKS = f"(?:{TASKS})(?: or (?:{TASKS}))*"  # as the docstring names some of them
ONLY_PYTHONS = ("progress", "on_epoch", "on_step")  # a terminal shows it
WORDS = {"taps": "tap"}  # given again for more


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    group = Commands(rich_markup_mode=None, help="Teach a network your own pictures.")
    for task, about in COMMANDS.items():
        group.command(task, help=about)(_command(task))
    app.add_typer(group, name="train")


def _command(task: str) -> Callable[..., dict[str, Any]]:
    """The command of a task: a function with the signature that typer reads."""

    def command(**given: Any) -> dict[str, Any]:
        return _train(task, given)

    texts = _texts(task)
    data = Annotated[Path, typer.Argument(metavar="DATA", help=_help(task, texts["data"], None))]
    own = [_option(task, one, texts[name]) for name, one in options().items() if name in texts]
    own.sort(key=lambda one: one.default is not one.empty)  # what is required comes first
    command.__signature__ = Signature(  # type: ignore[attr-defined]
        [Parameter("data", Parameter.KEYWORD_ONLY, annotation=data), *own]
    )
    return command


def _texts(task: str) -> dict[str, str]:
    """What each option of a task does; `to classify: …` in the docstring makes it an option of that task alone."""
    if not train.__doc__:  # python -OO: the commands work, and say less
        return dict.fromkeys(("data", *(name for name in options() if name not in ONLY_PYTHONS)), "")
    found = {}
    texts = dict(re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", cleandoc(train.__doc__), re.MULTILINE))
    for name, lines in texts.items():
        text = " ".join(lines.split())
        only = re.match(rf"(?:to|for) ({TASKS}): ", text)
        is_all = only is None and name in ("data", *STEPLESS.get(task, texts))
        if name not in ONLY_PYTHONS and (is_all or (only is not None and task in only[1].split(" or "))):
            found[name] = text[only.end() if only else 0 :]
    return found


def _option(task: str, one: Parameter, text: str) -> Parameter:
    """An option of `train` as typer wants it."""
    name, members = WORDS.get(one.name, one.name), _members(one.annotation)
    flags = [f"--{name.replace('_', '-')}"]
    kind: Any = members[0]
    if any(get_origin(member) is Sequence for member in members):
        kind = list[str]
    elif any(member is str or get_origin(member) is Literal for member in members):
        kind = str
    elif kind is bool and one.default is not False:
        flags = [f"{flags[0]}/--no-{flags[0][2:]}"]
    metavar = "LEAST GREATEST" if get_origin(kind) is tuple else None
    words = _help(task, text, one.default) + (" Give it again for more." if kind == list[str] else "")
    option = typer.Option(*flags, help=words, metavar=metavar)
    kind = kind | None if one.default is None else kind
    return Parameter(name, Parameter.KEYWORD_ONLY, default=one.default, annotation=Annotated[kind, option])


def _members(annotation: Any) -> list[Any]:
    """The kinds of value that an annotation allows, beside None."""
    several = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return [member for member in several if member is not NoneType]


def _help(task: str, text: str, default: object) -> str:
    """What the docstring says of an option, in the command line's words, without what concerns other tasks."""
    about, _, unset = text.rstrip(".").partition(". None: ")
    general, own = _clauses(task, about)
    sentences = "; ".join(general + own).removeprefix("whether to ") + "."
    if unset and default is None:
        general, own = _clauses(task, unset)
        sentences += f" Default: {'; '.join(own or general)}."
    flags = {f"`{name}`": f"--{WORDS.get(name, name).replace('_', '-')}" for name in options()}
    sentences = re.sub(r"`[^`]*`", lambda found: flags.get(found[0], found[0]), sentences[0].upper() + sentences[1:])
    return sentences.replace("`", "")


def _clauses(task: str, text: str) -> tuple[list[str], list[str]]:
    """The clauses of a text that hold for all tasks, and, of those that begin `to classify, …`, the task's own."""
    general, own = [], []
    for clause in text.split("; "):
        of = re.match(rf"(?:to|for) ({TASKS}), ", clause)
        if of is None:
            general.append(clause)
        elif task in of[1].split(" or "):
            own.append(clause[of.end() :])
    return general, own


def _train(task: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Trains by what was given on the line and says how good it became; what was not given keeps Python's default.

    Returns:
        The run folder, for what is said at the end.
    """
    arguments = {name: given[WORDS.get(name, name)] for name in ("data", *options()) if WORDS.get(name, name) in given}
    kinds = {name: _members(one.annotation) for name, one in options().items()}
    arguments = {
        name: _value(name, value, kinds.get(name, ())) for name, value in arguments.items() if value not in (None, [])
    }
    with telling_what_is_kept():
        run = train(task, **arguments)
    from convolens.distributed import leads  # here, as both load torch, which `train` says where it is missing
    from convolens.training.run_folder import CURVES

    if not leads():
        return {"run": run.folder}
    _report_skipped(run.skipped)
    if run.advice:
        tell(run.advice)
    tell_written(run.folder, f"the model is {run.best}, how it went {run.folder / CURVES}")
    answer(run)
    return {"run": run.folder}


def _value(name: str, given: Any, kinds: Sequence[Any]) -> Any:
    """What was given, as the number that it may be instead of a word or a path."""
    number = next((kind for kind in kinds if kind in (int, float)), None)
    words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    if not isinstance(given, str) or number is None or given in words:
        return given
    try:
        return number(given)
    except ValueError:
        if not words:
            return Path(given)
        from convolens.errors import ArgumentError

        raise ArgumentError(f"{name}: need a number or {' or '.join(words)}, got {given!r}") from None


def _report_skipped(skipped: Iterable[Skipped]) -> None:
    several = list(skipped)
    for one in several:
        tell_failure(f"skipped: {one.reason}")
    if several:
        tell_failure(f"skipped {len(several)} files")
