"""A bundle: written layer by layer, opened as one."""

from __future__ import annotations

from common.serving.layer_writer import write_layer

__all__ = ["write_layer"]
