"""recommend without functions-framework around it: what its image runs.

    python functions/recommend/server.py

The framework's routing and execution ids take as long as a remembered answer, and its import a third of the time to the
first. The variables are the framework's own: HOST, PORT and WORKERS.
"""

from __future__ import annotations

import os

import uvicorn

from common.edges.http_protocol import BoundedProtocol


def main() -> None:
    uvicorn.run(
        "common.edges.http_function:RecommendFunction",
        factory=True,
        host=os.environ.get("HOST", "0.0.0.0"),  # a container is reached from outside of it
        port=int(os.environ.get("PORT", "8080")),
        workers=int(os.environ.get("WORKERS", "1")),
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
