"""Strict YAML -> validated object, with every problem at its file, line and column.

The loader reads YAML *events* and builds a tree of its own, so nothing is ever
constructed that the file did not plainly say: no tags, no merge keys, no
second document, no repeated key. Scalars follow the core schema of YAML 1.2:
``1e-9`` is a number, ``010`` is ten, ``no`` and ``12:30`` are strings. Size,
depth and the expansion of aliases are bounded. The data is then validated by
a strict pydantic model, and all problems are raised together.

References
----------
YAML 1.2.2, section 10.3 (core schema), https://yaml.org/spec/1.2.2/.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from accelsim._config_problems import problems_of
from accelsim._config_scalars import PATTERNS, resolve
from accelsim._config_tree import Node, Place, Step, merge, parse_path, place_of, put, relocated
from accelsim.errors import ConfigError, Problem

MAX_FILE_BYTES = 16 * 2**20
MAX_DEPTH = 64
#: Values in one document, aliases written out.
MAX_NODES = 1_000_000

_EventLoader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

M = TypeVar("M", bound=BaseModel)


class StrictModel(BaseModel):
    """Base of everything that a user writes: frozen, complete, nothing unknown, no NaN.

    Built in Python, a field takes exactly its type. Read from a file, a list
    becomes a tuple and a string becomes an enum; nothing else is converted.
    The string under a field is its description in the JSON Schema.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its data, and where each value stands.

    Attributes
    ----------
    root : Node
        The data as a tree with places.
    file : str
        File name, for error texts.
    """

    root: Node
    file: str

    @property
    def data(self) -> Any:
        """The content as plain dicts, lists and scalars; None for an empty file."""
        return self.root.data()

    def where(self, *path: Step) -> Place:
        """Return the place of the value at `path`, or of the nearest thing around it."""
        return place_of(self.root, path)


def load_yaml(path: str | os.PathLike[str]) -> Document:
    """Read a YAML file.

    Raises
    ------
    ConfigError
        If the file is missing, unreadable, too large, not UTF-8, or breaks a
        rule of `parse_yaml`.
    """
    file = Path(path)
    place = Place(str(file))
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        place.refuse(f"The file cannot be read: {getattr(error, 'strerror', None) or error}.")
    if len(raw) > MAX_FILE_BYTES:
        place.refuse(f"The file is larger than {MAX_FILE_BYTES // 2**20} MiB.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place.refuse(f"The file is not UTF-8 text: byte {error.start} is {raw[error.start]:#04x}.")
    return _parsed(text, str(file))


@lru_cache(maxsize=64)
def _parsed(text: str, file: str) -> Document:
    """Return the document of a text; trees are never changed, so equal texts share one."""
    return parse_yaml(text, file=file)


def parse_yaml(text: str, *, file: str = "<string>") -> Document:
    """Parse YAML text by the strict rules of this module.

    Raises
    ------
    ConfigError
        At the first place where the text is not YAML, repeats a key, has a
        tag, a merge key, a key that is neither a string nor a whole number,
        an unknown alias or a second document, or goes past a bound.

    Examples
    --------
    >>> parse_yaml("{step: 1e-9, width: 010, signed: no}").data
    {'step': 1e-09, 'width': 10, 'signed': 'no'}
    """
    return Document(_TreeBuilder(text, file).document(), file)


def load_model(
    path: str | os.PathLike[str],
    model: type[M],
    *,
    overrides: Sequence[tuple[str, str]] = (),
    base_lookup: Callable[[str], Path] | None = None,
    flag: str = "--set ",
) -> M:
    """Read, complete and validate a file.

    Parameters
    ----------
    path : path
        The file. A top-level ``base: other.yaml``, relative to this file,
        names a file that this one is laid over: mappings merge, unless their
        `kind` differs; anything else is replaced. A base has no base.
    model : type
        A `StrictModel`.
    overrides : sequence of (key, text)
        Values to put in last, such as ``("memories[1].capacity_kib", "512")``;
        the text is YAML.
    base_lookup : callable, optional
        Finds a base that is not a file beside this one, by name.
    flag : str
        What stood before the key of an override, for error texts.

    Raises
    ------
    ConfigError
        With every problem at once, each with file, line, column and path.
    """
    root = _with_base(load_yaml(path).root, model, base_lookup)
    return validate(Document(root, os.fspath(path)), model, overrides=overrides, flag=flag)


def validate(
    document: Document,
    model: type[M],
    *,
    overrides: Sequence[tuple[str, str]] = (),
    flag: str = "--set ",
) -> M:
    """Return `model` filled with a document's data, `overrides` put in last.

    Raises
    ------
    ConfigError
        With every problem at once.
    """
    root = document.root
    problems: list[Problem] = []
    for key, text in overrides:
        try:
            root = _overridden(root, key, text, option=f"{flag}{key}={text}")
        except ConfigError as error:
            problems += error.problems
    data = root.data()
    if not isinstance(data, dict):
        said = "is empty" if data is None else f"holds a {type(data).__name__}"
        root.place.refuse(f"The file {said}; expected a mapping of keys to values.")
    try:
        # JSON mode: strict, except that lists fill tuples and strings fill enums.
        built = model.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise ConfigError((*problems_of(error, root, model), *problems)) from None
    if problems:
        raise ConfigError(problems)
    return built


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the files that `model` describes, `base:` included."""
    schema = model.model_json_schema()
    if "base" not in model.model_fields:
        schema.setdefault("properties", {})["base"] = {
            "type": "string",
            "description": "File that this one is laid over, relative to this file.",
        }
        required = schema.pop("required", [])
        schema["anyOf"] = [{"required": ["base"]}, {"required": required}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def dump_yaml(data: Any) -> str:
    """Write plain data or models as YAML that `parse_yaml` reads back as it was.

    Keys keep their order. Tuples become lists, enums their values, paths
    strings, and models mappings of their fields. Aliases are written out.
    """
    text: str = yaml.dump(
        data, Dumper=_CoreDumper, sort_keys=False, allow_unicode=True, default_flow_style=False
    )
    return text


def _with_base(root: Node, model: type[BaseModel], lookup: Callable[[str], Path] | None) -> Node:
    """Lay a file over the base that it names, if it names one."""
    own, base = _without_base(root, model)
    if base is None:
        return root
    if not isinstance(base.value, str):
        base.place.refuse("The base must be the name of a file.", ("base",))
    path = Path(base.place.file).parent / base.value
    try:
        if not path.is_file() and lookup is not None:
            path = lookup(base.value)
        below, second = _without_base(load_yaml(path).root, model)
    except ValueError as error:
        base.place.refuse(f"The base cannot be used.\n{error}", ("base",))
    if second is not None:
        second.place.refuse("A base cannot have a base: only one level is followed.", ("base",))
    return merge(below, own)


def _without_base(root: Node, model: type[BaseModel]) -> tuple[Node, Node | None]:
    """Split the `base` key off a file, unless the model has a field of that name."""
    if not isinstance(root.value, dict) or "base" in model.model_fields:
        return root, None
    rest = {key: node for key, node in root.value.items() if key != "base"}
    return replace(root, value=rest), root.value.get("base")


def _overridden(root: Node, key: str, text: str, *, option: str) -> Node:
    """Put one override into the tree; its problems name the option that gave it."""
    path = parse_path(key)
    if path is None or len(path) > MAX_DEPTH:
        Place(option).refuse("The key must look like memories[1].capacity_kib.")
    try:
        value = parse_yaml(text, file=option).root
    except ConfigError as error:
        Place(option).refuse(error.problems[0].message, path)
    return put(root, path, relocated(value, Place(option)))


class _TreeBuilder:
    """Builds the tree of one document out of the events of the YAML parser."""

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._anchors: dict[str, Node] = {}
        self._nodes = 0
        self._start = Place(file, 1, 1)
        self._events = self._parse(text)

    def _parse(self, text: str) -> Iterator[Any]:
        """Yield the parser's events; what it refuses becomes a `ConfigError`."""
        try:
            yield from yaml.parse(text, Loader=_EventLoader)
        except yaml.MarkedYAMLError as error:
            said = ": ".join(filter(None, (error.context, error.problem)))
            mark = error.problem_mark or error.context_mark
            (self._place(mark) if mark else self._start).refuse(f"This is not YAML: {said}.")
        except (yaml.YAMLError, UnicodeError) as error:
            reason = getattr(error, "reason", None) or error
            self._start.refuse(f"This is not YAML: {reason}.")

    def document(self) -> Node:
        """Return the tree of the only document."""
        root = Node(None, self._start)
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                break
        else:
            return root
        root = self._node(next(self._events), depth=0)
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._place(event.start_mark).refuse(
                    "A file holds one document; here a second begins."
                )
        return root

    def _node(self, event: Any, *, depth: int) -> Node:
        """Return the tree that begins with `event`."""
        place = self._place(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, place, depth=depth)
        if event.tag is not None:
            place.refuse(f"Tags are not accepted: {event.tag}. Remove it.")
        if event.anchor in self._anchors:
            place.refuse(f"The anchor &{event.anchor} is defined a second time.")
        self._count(1, place)
        if isinstance(event, yaml.ScalarEvent):
            plain = event.implicit[0]
            node = Node(resolve(event.value, place) if plain else event.value, place)
        else:
            self._check_depth(depth + 1, place)
            build = self._sequence if isinstance(event, yaml.SequenceStartEvent) else self._mapping
            node = build(place, depth=depth + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, anchor: str | None, place: Place, *, depth: int) -> Node:
        if anchor is None or anchor not in self._anchors:
            place.refuse(f"*{anchor} refers to an anchor that is not complete before it.")
        node = self._anchors[anchor]
        self._count(node.size, place)
        self._check_depth(depth + node.height, place)
        return node

    def _sequence(self, place: Place, *, depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth=depth))
        return Node.of(tuple(items), place)

    def _mapping(self, place: Place, *, depth: int) -> Node:
        items: dict[Step, Node] = {}
        first_place: dict[str, Place] = {}  # 8 and "8" are one key to every reader of JSON
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key, key_place = self._key(event, depth=depth)
            if str(key) in first_place:
                key_place.refuse(
                    f"The key {key} is here a second time: on line {first_place[str(key)].line}"
                    f" and on line {key_place.line}. Remove one of them."
                )
            first_place[str(key)] = key_place
            node = self._node(next(self._events), depth=depth)
            items[key] = replace(node, key_place=key_place)
        return Node.of(items, place)

    def _key(self, event: Any, *, depth: int) -> tuple[Step, Place]:
        """Return a key of a mapping: a string or a whole number."""
        node = self._node(event, depth=depth)
        key = node.value
        if isinstance(key, bool) or not isinstance(key, str | int):
            what = "a collection" if isinstance(key, tuple | dict) else repr(key)
            node.place.refuse(f"A key must be a string or a whole number, not {what}. Quote it.")
        if key == "<<":
            node.place.refuse("Merge keys (<<) are not accepted; `base:` lays a file over another.")
        return key, node.place

    def _count(self, nodes: int, place: Place) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            place.refuse(f"More than {MAX_NODES:,} values, counting those that aliases repeat.")

    def _check_depth(self, depth: int, place: Place) -> None:
        if depth > MAX_DEPTH:
            place.refuse(f"More than {MAX_DEPTH} levels of nesting.")

    def _place(self, mark: Any) -> Place:
        return Place(self._file, mark.line + 1, mark.column + 1)


class _CoreDumper(yaml.SafeDumper):
    """Writes a string plainly only where YAML 1.2 reads it as a string."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - PyYAML's own protocol

    def ignore_aliases(self, data: Any) -> bool:
        """Write every alias out."""
        return True


for _tag, _pattern in PATTERNS.items():
    _CoreDumper.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern.pattern})$"), None
    )
_CoreDumper.add_multi_representer(Enum, lambda dumper, item: dumper.represent_data(item.value))
_CoreDumper.add_multi_representer(PurePath, lambda dumper, path: dumper.represent_str(str(path)))
_CoreDumper.add_multi_representer(
    BaseModel, lambda dumper, model: dumper.represent_dict(model.model_dump().items())
)
