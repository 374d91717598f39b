"""GRU4Rec's parts. Everything but `batches` imports torch, so only a fit may import them."""
