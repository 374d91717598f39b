"""The reference of the training benchmark: `implicit` alone, in a process of its own.

    python -m tests.bench.train_bare <matrix.npz>

Prints the seconds of the fit; reading the matrix comes before.
"""

from __future__ import annotations

import sys
import time

from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import load_npz

from common.cpus import usable_cpus
from common.models.als import ALSConfig


def main() -> None:
    cells = load_npz(sys.argv[1])
    config = ALSConfig()
    library = AlternatingLeastSquares(
        factors=config.factors,
        regularization=config.regularization,
        alpha=config.alpha,
        iterations=config.iterations,
        num_threads=usable_cpus(),
        random_state=1,
    )
    started = time.monotonic()
    library.fit(cells, show_progress=False)
    sys.stdout.write(str(time.monotonic() - started))


if __name__ == "__main__":
    main()
