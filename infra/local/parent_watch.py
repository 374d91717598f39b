"""A program that becomes the command it is given, tied to its parent: on Linux the kernel ends it once the parent is
gone, even by SIGKILL, when no handler of the parent can run. Elsewhere it only becomes the command.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tied_to_parent(command: list[str], number: int = signal.SIGTERM) -> list[str]:
    """`command` such that it gets signal `number` when the process that starts it is gone."""
    return [sys.executable, "-IS", os.path.abspath(__file__), str(os.getpid()), str(int(number)), *command]


def _become(parent: int, number: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    # The parent may have gone before the kernel was asked.
    if os.getppid() == parent:
        os.execvpe(command[0], command, os.environ)


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
