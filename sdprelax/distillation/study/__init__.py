"""A study: blocks, distillers, fractions of the data and repeats, run from a file and told in a report."""
