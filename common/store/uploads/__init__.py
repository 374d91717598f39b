"""Uploads: reading a file within bounds, checking its rows, refusing the bad ones, and making a batch of the rest."""
