"""The report of a training run: what it found, told for a shop owner, and kept beside the artifact."""
