"""The images' health check: `health.py http` asks /healthz, `health.py tcp` only whether the port is open."""

import http.client
import os
import socket
import sys

HOST = "127.0.0.1"
TIMEOUT_S = 2


def healthy(kind: str, port: int) -> bool:
    try:
        if kind == "tcp":
            socket.create_connection((HOST, port), TIMEOUT_S).close()
            return True
        connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if healthy(sys.argv[1], int(os.environ.get("PORT", "8080"))) else 1)
