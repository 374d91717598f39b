"""The parts of GRU4Rec. All but `batches` and `config` import torch, so only a fit imports them."""
