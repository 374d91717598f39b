"""One drain in a process of its own, which says when it is about to begin."""

import os
import sys

from common.edges.wiring import make_context
from common.usecases.ingest.ingest import drain

context = make_context(os.environ)
sys.stdout.write("ready\n")
sys.stdout.flush()
drain(context)
