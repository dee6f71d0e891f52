"""What every command takes: `--memory`, how much working memory it may have, and `--quiet`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

import typer

from convolens.quiet import quietly

Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Working memory to stay within, as 2GB or 500MB. Default: half of what is free.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing of the work: answers and errors alone.")]


class Commands(typer.Typer):
    """A command line whose commands take `--memory` and `--quiet`."""

    def command(self, *words: Any, **options: Any) -> Callable[[Any], Any]:
        """Makes a command of a function, as typer does."""
        made = super().command(*words, **options)

        def command_of(callback: Callable[..., Any]) -> Callable[..., Any]:
            made(_with_both(callback))
            return callback

        return command_of


def _with_both(callback: Callable[..., Any]) -> Callable[..., Any]:
    """The function with two more options, which hold while it runs."""

    @wraps(callback)
    def limited(*, memory: str | None = None, quiet: bool = False, **arguments: Any) -> Any:
        from convolens import settings

        before = settings.stated_memory_limit()
        if memory is not None:
            settings.memory_limit(memory)
        try:
            with quietly(quiet):
                return callback(**arguments)
        finally:
            settings.memory_limit("auto" if before is None else before)

    its = signature(callback, eval_str=True)  # typer reads what annotations say, not their text
    memory = Parameter("memory", Parameter.KEYWORD_ONLY, default=None, annotation=Memory)
    quiet = Parameter("quiet", Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
    limited.__signature__ = its.replace(parameters=[*its.parameters.values(), memory, quiet])  # type: ignore[attr-defined]
    limited.__annotations__ = {name: one.annotation for name, one in limited.__signature__.parameters.items()}  # type: ignore[attr-defined]
    return limited
