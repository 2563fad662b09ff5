"""Bring the tables and figures of README.md and docs/ up to date with results/published.

    python tools/write_documents.py [--check]

With --check nothing is written, and the exit code is 1 if a document is out of date.
"""

from __future__ import annotations

import argparse
import sys

from documents import documents, regenerated


def main() -> int:
    """Write every document that changes, or say which would."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a document is out of date")
    given = parser.parse_args()
    stale = 0
    for path in documents():
        text = path.read_text(encoding="utf-8")
        new = regenerated(text)
        if new != text:
            stale += 1
            print(f"{path.name} {'is out of date' if given.check else 'written'}")
            if not given.check:
                path.write_text(new, encoding="utf-8")
    return int(given.check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
