"""The benchmark: how much of what the machine can do is left to the service's users. Run it with `make bench`."""
