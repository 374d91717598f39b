"""Three short scripts that use the package in one process: ask, compare, add a model of one's own."""
