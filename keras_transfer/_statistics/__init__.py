"""Statistics that several packages stand on."""
