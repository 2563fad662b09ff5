"""Certified training of infinite-width two-layer ReLU networks.

>>> import sdprelax
>>> problem = sdprelax.Problem(X, Y, gamma=0.1)
>>> outcome = sdprelax.solve(problem, "sdp", solver="clarabel")
>>> outcome.lower, outcome.upper, outcome.gap
>>> sdprelax.verify(problem, outcome.certificate)

Public names and the rooms that they come from are in ``__init__.pyi``; a room is imported when it is first asked for.
"""

import sys

import lazy_loader

if sys.platform == "win32":
    raise ImportError("sdprelax runs on Linux and macOS; on Windows, in the Windows Subsystem for Linux.")

__version__ = "0.14.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
