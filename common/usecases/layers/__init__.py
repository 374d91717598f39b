"""What a layer of the served bundle says, worked out from the artifact and the store: numpy, no input or output."""
