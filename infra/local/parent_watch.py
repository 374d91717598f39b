"""A program that replaces itself by a given command, so that the command ends with its parent process.

On Linux the kernel sends the command a signal as soon as the parent ends, even if the parent is killed by SIGKILL and
cannot clean up. On other systems the command only runs.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tied_to_parent(command: list[str], number: int = signal.SIGTERM) -> list[str]:
    """The command line that runs `command` and has it sent signal `number` when this process ends."""
    return [sys.executable, "-IS", os.path.abspath(__file__), str(os.getpid()), str(int(number)), *command]


def _become(parent: int, number: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    # The parent may have ended before the kernel was asked; then nothing is run.
    if os.getppid() == parent:
        os.execvpe(command[0], command, os.environ)


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
