"""Training behind fixed gates on more samples than memory holds: one pass for statistics, one for the proof."""
