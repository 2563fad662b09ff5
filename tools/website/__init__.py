"""What the site of documents has beyond Sphinx: one extension per file, and a check of the links of what was built."""
