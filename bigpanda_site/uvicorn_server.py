"""The web process of `./console up`: uvicorn at the port that the supervisor has opened.

    python -m bigpanda_site.uvicorn_server --fd NUMBER

Uvicorn's own `--fd` leaves the port open while the process ends, and the kernel accepts connections that nobody
answers. This server takes what waits at the port, answers it, and closes the port.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from supervisor.preflight import listen

APPLICATION = "bigpanda_site.asgi:application"
PROTOCOL = "bigpanda_site.http_protocol:Protocol"
# A proxy keeps idle connections for a minute (nginx) or two (Caddy). A server that closes one first can lose a request
# that is on its way, so this process keeps them longer.
KEEP_ALIVE_SECONDS = 150
STOP_SECONDS = 5  # the longest wait for requests in progress


class Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take the connections that wait at the port, close the port, and let uvicorn end the rest."""
        ours = [each.dup() for each in sockets or ()]
        for server in self.servers:
            server.close()
        for each in sockets or ():
            each.close()
        await asyncio.sleep(0)  # now only `ours` hold the port open
        accepted: list[socket.socket] = []
        for each in ours:
            each.setblocking(False)
            accepted += _waiting_at(each)
            each.close()
        for connection in accepted:
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg] # as uvicorn does
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def _waiting_at(listener: socket.socket) -> Iterator[socket.socket]:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            yield connection


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bigpanda_site.uvicorn_server", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--fd", type=int, help="number of an open file that listens")
    where.add_argument("--port", type=int, help="port of this machine to open")
    options = parser.parse_args()
    listener = listen("127.0.0.1", options.port) if options.fd is None else socket.socket(fileno=options.fd)
    config = uvicorn.Config(
        APPLICATION,
        http=PROTOCOL,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = Server(config)
    server.run(sockets=[listener])
    if not server.started:
        raise SystemExit(3)  # the application did not start


if __name__ == "__main__":
    main()
