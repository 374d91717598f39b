"""The function `recommend` without functions-framework, as its image runs it.

    python functions/recommend/server.py

The framework takes as long per request as a cached answer, and a third of the time to the first answer at the start.
The variables are the same as the framework's: HOST, PORT and WORKERS. A worker that a fault ends is started again.
"""

from __future__ import annotations

import os
import sys

from common.edges.supervisor import Supervisor

WORKERS = int(os.environ.get("WORKERS", "1"))


def serve() -> None:
    # Imported here, because the process that watches over the worker needs none of it.
    import uvicorn

    from common.edges.http_protocol import BoundedProtocol

    uvicorn.run(
        "common.edges.http_function:RecommendFunction",
        factory=True,
        host=os.environ.get("HOST", "0.0.0.0"),  # a container is called from outside
        port=int(os.environ.get("PORT", "8080")),
        workers=WORKERS,
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
    if WORKERS > 1:
        serve()  # uvicorn watches over several workers itself
    else:
        sys.exit(Supervisor("recommend", serve).run())
