"""What a release publishes, built and looked into: the wheel and the sdist, and the carousel's npm package."""
