"""One update in a process of its own, which says when it is about to begin."""

import os
import sys

from common.edges.wiring import make_context
from common.usecases.update.update import update

context = make_context(os.environ)
sys.stdout.write("ready\n")
sys.stdout.flush()
update(context)
