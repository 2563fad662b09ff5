"""One trial: what it is, where it is kept, how it is run, where it comes from."""
