"""Sessions: what the refresh, access and sudo tokens of one login hang on."""
