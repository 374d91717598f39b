"""The data of a shop: `uploads` on their way in, `segments` once they are stored."""
