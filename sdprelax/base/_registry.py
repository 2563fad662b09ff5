"""Named families of small frozen dataclasses whose fields are their options.

A method, a data set, a rounding or a solver is one file that registers one dataclass. Its
fields, their types, defaults and docstring are the YAML schema, the listing and the validation.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType, UnionType
from typing import Any, Generic, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
import pydantic

from sdprelax.base._errors import InputError, nearest

__all__ = ["LATER", "Option", "Registry", "Use", "misread", "registering"]

# Metadata of an option that came after results were kept: at its default, those are results of its class still.
LATER = {"later": True}
# Numbers among the options are finite: one that may be absent is None then, not infinity.
FINITE = pydantic.ConfigDict(allow_inf_nan=False)
T = TypeVar("T")
C = TypeVar("C", bound=type)
# SHA-256 of the user's own file that is being executed.
_source: contextvars.ContextVar[str] = contextvars.ContextVar("source", default="")


@contextlib.contextmanager
def registering(source: str) -> Iterator[None]:
    """Within this context, classes are registered by a user's file with this SHA-256, a part of their versions."""
    token = _source.set(source)
    try:
        yield
    finally:
        _source.reset(token)


@dataclasses.dataclass(frozen=True)
class Option:
    """One option of a registered class, as a listing shows it; ``meaning`` is the class's docstring's."""

    name: str
    type: str
    default: Any
    required: bool
    meaning: str = ""


class Registry(Generic[T]):
    """The classes of one family by name.

    A class may have ``version: ClassVar[int] = 1``, which is raised when the same options give other results;
    ``uses()``, which returns (registry, name, options) of the registered classes that its results depend on;
    ``digest()``, the SHA-256 of the file that it reads, "" where its options name none; ``kernels``, the modules of
    compiled functions that it computes with; and ``libraries``, optional packages that take their time to import.

    Parameters
    ----------
    kind: what one entry is called in messages ("method").
    package: the package whose modules register entries; they are imported on first use.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._entries: dict[str, type[T]] = {}
        self._sources: dict[str, str] = {}
        self._options: dict[type[T], list[Option]] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[C], C]:
        """Return a class decorator that enters a frozen dataclass under ``name``."""

        def enter(entry: C) -> C:
            if not dataclasses.is_dataclass(entry):
                raise TypeError(f"{self.kind} {name!r}: put @register above @dataclass(frozen=True)")
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = cast(Any, entry)
            if not entry.__module__.startswith(f"{self._package}."):
                self._sources[name] = _source.get()
            return entry

        return enter

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True
            package: ModuleType = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(package.__path__):
                if not module.name.startswith("_"):  # what entries share, and kernels, which are loaded when called for
                    importlib.import_module(f"{self._package}.{module.name}")

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries))

    def __getitem__(self, name: str) -> type[T]:
        """Return the class registered under ``name``, in whatever case it is written."""
        return self._entries[self.canonical(name)]

    def canonical(self, name: str) -> str:
        """Return the registered spelling of ``name``.

        Raises
        ------
        InputError: no such entry; the message gives the nearest name.
        """
        self._load()
        lowered = str(name).lower()
        if lowered not in self._entries:
            raise InputError(f"unknown {self.kind} '{name}': {nearest(str(name), self._entries)}.")
        return lowered

    def options(self, name: str) -> list[Option]:
        """Return the options of an entry in the order in which it declares them."""
        entry = self[name]
        if entry not in self._options:
            self._options[entry] = self._declared(entry)
        return self._options[entry]

    def _declared(self, entry: type[T]) -> list[Option]:
        missing = dataclasses.MISSING
        hints, meanings = get_type_hints(entry), dict[str, str]()
        for owner in reversed(entry.__mro__):
            meanings |= _meanings(inspect.cleandoc(owner.__doc__ or ""))
        found = []
        for item in dataclasses.fields(cast(Any, entry)):
            default = item.default if item.default is not missing else None
            if item.default_factory is not missing:
                default = item.default_factory()
            required = item.default is missing and item.default_factory is missing
            meaning = meanings.get(item.name, "")
            found.append(Option(item.name, _written(hints[item.name]), default, required, meaning))
        return found

    def summary(self, name: str) -> str:
        """Return the first line of the entry's docstring."""
        return (inspect.getdoc(self[name]) or "").split("\n", 1)[0]

    def version(self, name: str) -> str:
        """Return the version of an entry's results: its class's number, with the digest of the user's own file."""
        number, source = getattr(self[name], "version", 1), self._sources.get(self.canonical(name), "")
        return f"{number}, sha256 {source}" if source else str(number)

    def parts(self, name: str, entry: T) -> Iterator[tuple[Registry[Any], str, Any]]:
        """Yield (registry, name, instance) of an entry and then of everything that it uses, recursively."""
        yield self, self.canonical(name), entry
        uses: Callable[[], Iterable[Use]] = getattr(entry, "uses", tuple)
        for registry, other, options in uses():
            yield from registry.parts(other, registry.create(other, options))

    def versions(self, name: str, entry: T) -> dict[str, str]:
        """Return the versions of :meth:`parts`, by kind and name, with what they read.

        Raises
        ------
        InputError: a file that one of them reads cannot be read.
        """
        found = {}
        for registry, part, instance in self.parts(name, entry):
            digest = instance.digest() if hasattr(instance, "digest") else ""
            reads = f", reads sha256 {digest}" if digest else ""
            found[f"{registry.kind} {part}"] = registry.version(part) + reads
        return found

    def kernels(self, name: str, entry: T) -> list[str]:
        """Return the modules of kernels that :meth:`parts` compute with, which :func:`sdprelax.base.ready` loads."""
        return self._all(name, entry, "kernels")

    def libraries(self, name: str, entry: T) -> list[str]:
        """Return the optional packages that :meth:`parts` compute with, which are imported before a clock starts."""
        return self._all(name, entry, "libraries")

    def _all(self, name: str, entry: T, attribute: str) -> list[str]:
        named = (getattr(part, attribute, ()) for _, _, part in self.parts(name, entry))
        return list(dict.fromkeys(one for each in named for one in each))

    def create(self, name: str, options: Mapping[str, Any] | None = None) -> T:
        """Return the entry ``name`` built from ``options``, each validated against its field's type.

        Raises
        ------
        InputError: unknown name or option (with the nearest), missing option, or a value of the wrong type.
        """
        entry = self[name]
        given = dict(options or {})
        known = [option.name for option in self.options(name)]
        label = f"{self.kind} '{self.canonical(name)}'"
        for key in given:
            if key not in known:
                choices = nearest(str(key), known) if known else "it has no options"
                raise InputError(f"{label} has no option '{key}': {choices}.")
        for option in self.options(name):
            if option.required and option.name not in given:
                raise InputError(f"{label} needs the option '{option.name}'.")
        hints = get_type_hints(entry, include_extras=True)
        for key, value in given.items():
            try:
                given[key] = pydantic.TypeAdapter(hints[key], config=FINITE).validate_python(value)
            except pydantic.ValidationError as error:
                reason = error.errors()[0]["msg"].replace("Input should be", "should be")
                raise InputError(f"{label}: option '{key}' is {value!r}, but {reason}.") from None
            wrong = misread(value, given[key])
            if wrong is not None:
                raise InputError(f"{label}: option '{key}' is {value!r}, but should be {wrong[1]}.")
        return entry(**given)

    def given(self, written: object) -> T:
        """Return the entry that an argument gives: a name, a name with its options {name: {...}}, or an entry itself.

        Raises
        ------
        InputError: it is none of the three; see :meth:`create`.
        """
        self._load()
        if type(written) in self._entries.values():
            entry = cast(T, written)
            # A dataclass takes any value for its options; what is registered is held to their types.
            ((name, options),) = self.written(entry).items()
            if options:
                self.create(name, options)
            return entry
        if isinstance(written, str):
            return self.create(written)
        if isinstance(written, Mapping) and len(written) == 1:
            ((name, options),) = written.items()
            if options is None or isinstance(options, Mapping):
                return self.create(str(name), options)
        raise InputError(
            f"{self.kind} is {written!r}; it must be a name, or {{name: {{option: value}}}} ({', '.join(self)})."
        )

    def called(self, entry: T) -> str:
        """Return the name under which an entry's class is registered."""
        return next(name for name, known in self._entries.items() if known is type(entry))

    def written(self, entry: T) -> dict[str, dict[str, Any]]:
        """Return an entry as {name: {option: value}}, which :meth:`given` takes."""
        name = self.called(entry)
        return {name: {option.name: getattr(entry, option.name) for option in self.options(name)}}

    def completed(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return options with the defaults of those that are missing, as in what was stored before there were these.

        Those of an entry that is not registered are returned as they are.
        """
        declared = self.options(name) if name in self else []
        return {option.name: option.default for option in declared if not option.required} | dict(options)

    @staticmethod
    def identified(entry: object) -> dict[str, Any]:
        """Return the options that an entry's results are kept by: all but those of ``LATER`` at their defaults."""
        options = dataclasses.asdict(cast(Any, entry))
        for item in dataclasses.fields(cast(Any, entry)):
            if item.metadata.get("later"):
                factory = item.default_factory
                default = item.default if factory is dataclasses.MISSING else factory()
                if options[item.name] == default:
                    del options[item.name]
        return options

    def typed(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return options converted to the types that the entry's fields declare.

        Raises
        ------
        InputError: see :meth:`create`.
        """
        entry = self.create(name, options)
        return {option: getattr(entry, option) for option in options}


# A registered class that another one's results come from.
Use = tuple[Registry[Any], str, Mapping[str, Any]]


def misread(written: Any, taken: Any) -> tuple[tuple[Any, ...], str] | None:
    """Find a value of another type that pydantic converted to a number or a truth value without being asked.

    Return the path of keys and positions that leads to it, and in words what would be right; None without such a value.

    Parameters
    ----------
    written: what was validated; taken: what pydantic made of it.
    """
    if isinstance(taken, bool):
        return None if isinstance(written, (bool, np.bool_)) else ((), "true or false")
    if isinstance(taken, (int, float)):
        return ((), "a number") if isinstance(written, (bool, str, bytes)) else None
    pairs: list[tuple[Any, Any, Any]] = []
    if isinstance(written, Mapping):
        held = taken if isinstance(taken, Mapping) else vars(taken)
        pairs = [(key, value, held.get(key)) for key, value in written.items()]
    elif isinstance(written, (list, tuple)) and isinstance(taken, (list, tuple)):
        pairs = [(k, *pair) for k, pair in enumerate(zip(written, taken, strict=True))]
    for key, value, made in pairs:
        below = misread(value, made)
        if below is not None:
            return (key, *below[0]), below[1]
    return None


def _meanings(text: str) -> dict[str, str]:
    """Return what a docstring's section Parameters says of each name, on one line."""
    found: dict[str, str] = {}
    _, _, section = text.partition("Parameters\n----------\n")
    for part in re.split(r"\n(?=\S)", section.split("\n\n")[0]):
        for name, meaning in re.findall(
            r"(?:^|; )(\w+(?:, \w+)*): (.*?)(?=; \w+(?:, \w+)*: |$)", " ".join(part.split())
        ):
            found |= dict.fromkeys(name.split(", "), meaning)
    return found


def _written(hint: Any) -> str:
    """Return a type as a user reads it: ``one of 'lifted', 'reduced'``, ``float``, ``str or None``."""
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(repr(choice) for choice in get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_written(part) for part in get_args(hint))
    if hint is type(None):
        return "None"
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")
