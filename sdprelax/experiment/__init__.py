"""Sweeps: from a YAML file to tables and pictures."""
