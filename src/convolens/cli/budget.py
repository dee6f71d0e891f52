"""`--memory`, which every command takes: how much working memory it may have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

import typer

Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Working memory to stay within, as 2GB or 500MB. Default: half of what is free.",
        show_default=False,
    ),
]


class Commands(typer.Typer):
    """A command line whose commands take `--memory`."""

    def command(self, *words: Any, **options: Any) -> Callable[[Any], Any]:
        """Makes a command of a function, as typer does."""
        made = super().command(*words, **options)

        def command_of(callback: Callable[..., Any]) -> Callable[..., Any]:
            made(_within_memory(callback))
            return callback

        return command_of


def _within_memory(callback: Callable[..., Any]) -> Callable[..., Any]:
    """The function with one more option, which holds while it runs."""

    @wraps(callback)
    def limited(*, memory: str | None = None, **arguments: Any) -> Any:
        from convolens import settings

        before = settings.stated_memory_limit()
        if memory is not None:
            settings.memory_limit(memory)
        try:
            return callback(**arguments)
        finally:
            settings.memory_limit("auto" if before is None else before)

    its = signature(callback, eval_str=True)  # typer reads what annotations say, not their text
    option = Parameter("memory", Parameter.KEYWORD_ONLY, default=None, annotation=Memory)
    limited.__signature__ = its.replace(parameters=[*its.parameters.values(), option])  # type: ignore[attr-defined]
    limited.__annotations__ = {name: one.annotation for name, one in limited.__signature__.parameters.items()}  # type: ignore[attr-defined]
    return limited
