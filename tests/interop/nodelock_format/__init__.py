"""nodelock's formats, implemented from docs/FORMAT.md alone."""
