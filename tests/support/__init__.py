"""What the tests stand on: real servers to talk to, and a clock to turn."""
