"""A program that becomes the command it is given, tied to its parent: on Linux the kernel ends it once the parent is
gone, even by SIGKILL, when no handler of the parent can run. Elsewhere it only becomes the command.

    subprocess.Popen([*LEASH, "sleep", "60"])
"""

import ctypes
import os
import signal
import sys

LEASH = (sys.executable, "-IS", os.path.abspath(__file__))
_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.execvpe(sys.argv[1], sys.argv[1:], os.environ)
