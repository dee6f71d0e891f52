"""The studio served: where it listens, the address with its token, and its end."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable

import uvicorn

from convolens.errors import ArgumentError, FileError
from convolens.media.one_writer import only_writer
from convolens.studio.app import create_app
from convolens.studio.project import Project
from convolens.studio.security import LOCAL, Guard, new_token

PORT = 8080
TRIED = 20  # ports after it, where none is asked for
GRACE = 3  # seconds that open requests get at the end


def serve(
    project: Project,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    opened: Callable[[str], object] = lambda address: None,
) -> None:
    """Serves a project until it is interrupted.

    Args:
        project: what is looked at.
        host: where to listen.
        port: where to listen; 0 is one that is free; None the first that is free from 8080.
        opened: is called with the address, the token in it, once the studio listens.

    Raises:
        ArgumentError: it cannot listen there.
        FileError: another studio has this project.
    """
    token = new_token()
    with only_writer(project.home), _listening(host, port) as listener:
        port = listener.getsockname()[1]
        guarded = Guard(create_app(project), token, host, port)
        config = uvicorn.Config(
            guarded, log_level="warning", lifespan="on", server_header=False, timeout_graceful_shutdown=GRACE
        )
        opened(f"http://{_shown(host)}:{port}/?token={token}")
        uvicorn.Server(config).run(sockets=[listener])


def is_local(host: str) -> bool:
    """Whether nobody but this machine can reach a studio that listens there."""
    return host in LOCAL


def _listening(host: str, port: int | None) -> socket.socket:
    wanted = range(PORT, PORT + TRIED) if port is None else [port]
    for one in wanted:
        try:
            return _bound(host, one)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or one == wanted[-1]:
                raise ArgumentError(
                    f"port: cannot listen at {host}:{one}: {error.strerror or error}; give another by --port"
                ) from error
    raise FileError(f"{host}: no port is free")


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would let two listen at once
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _shown(host: str) -> str:
    name = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
    return f"[{name}]" if ":" in name else name
