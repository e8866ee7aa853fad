"""The types of arguments at the public functions: a value of another type is refused in one sentence.

The annotations say which types a function takes, so that no function repeats them in checks.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import fields
from os import PathLike
from typing import Any, TypeVar, Union

import numpy as np

from models.errors import BadArgument

F = TypeVar("F", bound=Callable[..., Any])
# Returns the value of an argument as the function takes it, or raises TypeError.
_Reader = Callable[[Any], Any]
_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "True or False",
    type(None): "None",
    slice: "a slice",
    range: "a range",
    Sequence: "a list",
    Collection: "a list",
    Iterable: "a list",
    Mapping: "a dictionary",
    Callable: "a function",
    PathLike: "a path",
    np.ndarray: "an array",
    tuple: "a tuple",
}
# Protocols, by the class that a caller has.
_BY_NAME = {"Heads": "an Attention", "LayerLike": "an array"}


def checked(function: F) -> F:
    """Decorate a public function or method, so that it refuses arguments of other types than its annotations say.

    Whole numbers and numbers of NumPy become Python's. A missing or an unknown argument is a TypeError of Python.

    Raises (the decorated function):
        BadArgument: an argument has another type.
    """

    @functools.cache
    def readers() -> tuple[tuple[str, ...], dict[str, tuple[_Reader, str]]]:
        parameters = inspect.signature(function).parameters
        named = [name for name, each in parameters.items() if each.kind is not each.VAR_POSITIONAL]
        n_before = next((n for n, one in enumerate(parameters.values()) if one.kind is one.VAR_POSITIONAL), len(named))
        return tuple(named[:n_before]), _readers_of(function, parameters)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        names, known = readers()
        read = [_read(name, value, known) for name, value in zip(names, args, strict=False)]
        more = {name: _read(name, value, known) for name, value in kwargs.items()}
        return function(*read, *args[len(read) :], **more)

    return typing.cast(F, call)


def check_fields(record: Any) -> None:
    """Refuse values of other types than the fields of a dataclass have; call it in `__post_init__`.

    Raises:
        BadArgument: a field has another type.
    """
    for name, known in _readers_of_fields(typing.cast(Hashable, type(record))).items():
        object.__setattr__(record, name, _read(name, getattr(record, name), {name: known}))


@functools.cache
def _readers_of_fields(kind: Hashable) -> dict[str, tuple[_Reader, str]]:
    # Kept, since a batch makes many traces, and to evaluate the annotations takes a millisecond.
    names = vars(inspect.getmodule(kind))
    return {field.name: _reader(_evaluate(field.type, names)) for field in fields(typing.cast(Any, kind))}


def _read(name: str, value: Any, known: Mapping[str, tuple[_Reader, str]]) -> Any:
    if name not in known:
        return value
    reader, expected = known[name]
    try:
        return reader(value)
    except TypeError:
        raise BadArgument(f"{name} is {expected}, not {_show(value)}.") from None


def _show(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)[:40]
    return f"a value of the type {type(value).__name__}"


def _readers_of(function: Callable[..., Any], parameters: Mapping[str, Any]) -> dict[str, tuple[_Reader, str]]:
    found, names = {}, getattr(inspect.unwrap(function), "__globals__", {})
    for name, parameter in parameters.items():
        hint = _evaluate(parameter.annotation, names)
        if parameter.kind is parameter.VAR_KEYWORD and typing.get_origin(hint) is typing.Unpack:
            (record,) = typing.get_args(hint)
            hints = typing.get_type_hints(record)
            found.update({key: _reader(each) for key, each in hints.items()})
        elif parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            found[name] = _reader(hint)
    return found


def _evaluate(annotation: Any, names: Mapping[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return Any if annotation is inspect.Parameter.empty else annotation
    try:
        return eval(annotation, dict(names))  # an annotation of our source, never a value that came from outside
    except Exception:  # a name that only type checkers import
        return Any


def _reader(hint: Any) -> tuple[_Reader, str]:
    """Return the reader of an annotation, and what a sentence calls its values."""
    origin = typing.get_origin(hint) or hint
    if origin in (Union, types.UnionType):
        readers = [_reader(each) for each in typing.get_args(hint)]
        names = [name for _, name in readers if name]
        if len(names) < len(readers):
            return _anything, ""
        return _first_of([read for read, _ in readers]), f"{', '.join(names[:-1])} or {names[-1]}"
    if origin in (Any, Ellipsis) or isinstance(origin, str | TypeVar):
        return _anything, ""
    if origin in _PLAIN:
        return _PLAIN[origin], _NAMES[origin]
    if origin is Callable or hint is Callable:
        return _instance(lambda value: callable(value)), "a function"
    if not isinstance(origin, type):
        return _anything, ""
    if issubclass(origin, tuple) and typing.get_args(hint):
        return _tuple_reader(typing.get_args(hint)), _name(origin)
    if issubclass(origin, Mapping) and typing.get_args(hint):
        keys, values = (_reader(each)[0] for each in typing.get_args(hint))
        return _container(Mapping, lambda value: (map(keys, value), map(values, value.values()))), _name(origin)
    if issubclass(origin, Collection) and not issubclass(origin, str) and typing.get_args(hint):
        ((read, name),) = (_reader(each) for each in typing.get_args(hint))
        # A text is a list of texts too, its characters, and an empty one would be a list of anything.
        strange = bytes if name == _NAMES[str] else (str, bytes)
        return _container(origin, lambda value: (map(read, value),), strange), f"{_name(origin)} of {_plural(name)}"
    return _instance(_is_one_of(origin)), _name(origin)


def _name(kind: Any) -> str:
    array = getattr(kind, "dims", None) and getattr(kind, "dim_str", None)
    if array:
        return f"an array of numbers [{array}]"
    article = "an" if kind.__name__[:1] in "AEIOU" else "a"
    return _NAMES.get(kind) or _BY_NAME.get(kind.__name__) or f"{article} {kind.__name__}"


def _plural(name: str) -> str:
    plain = name.partition(" ")[2] if name.startswith(("a ", "an ")) else name
    return f"{plain}s" if plain and " or " not in plain else f"values that are each {name}"


def _container(
    kind: type, parts: Callable[[Any], Iterable[Iterable[Any]]], strange: type | tuple[type, ...] = bytes
) -> _Reader:
    """Return the reader of a container whose parts are read too; the container itself stays as it is."""

    def read(value: Any) -> Any:
        if not isinstance(value, kind) or isinstance(value, strange):
            raise TypeError
        for part in parts(value):
            for _ in part:
                pass
        return value

    return read


def _tuple_reader(hints: tuple[Any, ...]) -> _Reader:
    readers = [_reader(each)[0] for each in hints if each is not Ellipsis]

    def read(value: Any) -> Any:
        if not isinstance(value, tuple) or (Ellipsis not in hints and len(value) != len(readers)):
            raise TypeError
        several = readers * len(value) if Ellipsis in hints else readers
        return tuple(one(part) for one, part in zip(several, value, strict=True))

    return read


def _anything(value: Any) -> Any:
    return value


def _first_of(readers: Sequence[_Reader]) -> _Reader:
    def read(value: Any) -> Any:
        for one in readers:
            try:
                return one(value)
            except TypeError:
                continue
        raise TypeError

    return read


def _instance(fits: Callable[[Any], bool]) -> _Reader:
    def read(value: Any) -> Any:
        if not fits(value):
            raise TypeError
        return value

    return read


def _is_one_of(kind: type) -> Callable[[Any], bool]:
    if not getattr(kind, "_is_protocol", False):
        return lambda value: isinstance(value, kind)
    # Python looks up every name of a protocol in each value: a class that had them once has them always.
    known: set[type] = set()

    def fits(value: Any) -> bool:
        if type(value) not in known:
            if not isinstance(value, kind):
                return False
            known.add(type(value))
        return True

    return fits


def _whole(value: Any) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError
    try:
        return float(value)
    except OverflowError:
        raise TypeError from None


def _truth(value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError
    return bool(value)


def _slice(value: Any) -> slice:
    if not isinstance(value, slice):
        raise TypeError
    return slice(*(None if each is None else _whole(each) for each in (value.start, value.stop, value.step)))


_PLAIN: dict[Any, _Reader] = {int: _whole, float: _number, bool: _truth, slice: _slice}
