"""Pictures of every account page and mail for docs/gallery.md: `make gallery`."""
