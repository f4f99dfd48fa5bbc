"""The image of deploy/Containerfile, built and run by Podman. Run by `make container`."""
