"""Password hashes: Argon2id for our own, and the formats of other systems for imported users."""
