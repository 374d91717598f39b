"""The object store: its port, the S3 implementation, object keys, the commit loop and the local file cache."""
