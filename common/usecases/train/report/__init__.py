"""The report of a training run for a shop owner, stored beside the artifact."""
