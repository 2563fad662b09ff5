"""What finished trials say: tables, pictures, reports, comparisons, and the proof that they hold."""
