"""The data of a shop: `uploads` reads and checks files, `segments` holds the stored data."""
