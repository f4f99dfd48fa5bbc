"""Others of its kind beside Doorward, on the same machine at the same cost of a password. `make bench-peers`.

Each is installed at a pinned version from its own registry into a folder of its own (`.peers`), and set up as its
documentation says for production, with the SQLite file as durable as Doorward's.
"""
