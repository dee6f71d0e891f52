"""What a forked child needs: locks that are open there, and a torch that does not wait for threads it left behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, Self, TypeVar, overload

Value = TypeVar("Value")

_torch_is_alone = False


class cached_property(Generic[Value]):  # noqa: N801 - it is functools' own
    """`functools.cached_property` as Python 3.12 has it: without the lock, in which a child of 3.11 would hang.

    Two threads may both make the value; it must be the same.
    """

    def __init__(self, make: Callable[[Any], Value]) -> None:
        self.make, self.name, self.__doc__ = make, make.__name__, make.__doc__

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any]) -> Value: ...
    def __get__(self, instance: object | None, owner: type[Any]) -> Self | Value:
        """The value, made at the first look and kept in the instance."""
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.make(instance)
        return value


def lock_that_forks() -> Lock:
    """Makes a lock that a forked child finds open: whoever forks takes it meanwhile.

    Otherwise the child of one thread would wait for ever for another, which it does not have.
    """
    lock = Lock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


def torch_is_alone() -> bool:
    """Whether this is a forked child in which torch must compute with one thread."""
    return _torch_is_alone


def _in_child() -> None:
    """OpenMP would wait for threads that did not come along, as torch by itself does."""
    global _torch_is_alone
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
        _torch_is_alone = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
