"""pydantic's findings in the user's words, at the user's lines.

A finding says where it is by a location that mixes keys and indices with the
labels of unions. The location is walked along the model's own annotations, so
labels drop out and the keys known at each level are at hand for hints. Where a
value matches no member of a union, only the member that it was meant to be is
reported on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from accelsim._config_tree import Node, Path, a_list, node_at, parse_path, place_of
from accelsim.errors import ConfigError, Problem, near_miss_hint

#: The path of a union, and the label of the member that a finding is about.
Branch: TypeAlias = tuple[Path, str]

_SHOWN_LENGTH = 60
_WHOLE, _NUMBER, _STRING = "a whole number", "a number", "a string"
_MAPPING, _LIST = "a mapping", "a list"

#: What was expected, by pydantic's type of error; the braces are filled from its context.
_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": _MAPPING,
    "enum": "one of {expected}",
    "finite_number": "a finite number",
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_type": _WHOLE,
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "list_type": _LIST,
    "literal_error": "one of {expected}",
    "mapping_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "model_type": _MAPPING,
    "multiple_of": "a multiple of {multiple_of}",
    "none_required": "null",
    "path_type": _STRING,
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "string_type": _STRING,
    "too_long": "at most {max_length} entries",
    "too_short": "at least {min_length} entries",
    "tuple_type": _LIST,
}


@dataclass(frozen=True, slots=True)
class _Finding:
    """One error of pydantic's, with the labels taken out of its location."""

    type: str
    message: str
    value: Any
    context: Mapping[str, Any]
    path: Path
    owner: Any
    branches: tuple[Branch, ...]


def problems_of(error: ValidationError, root: Node, model: type[BaseModel]) -> tuple[Problem, ...]:
    """Return every finding of `error` as a problem, in the order of the file."""
    findings = [_located(found, root, model) for found in error.errors(include_url=False)]
    problems = [
        problem for finding in _settled(findings, 0) for problem in _problems(finding, root)
    ]
    return tuple(sorted(problems, key=lambda p: (p.file, p.line or 0, p.column or 0)))


def _located(found: Any, root: Node, model: type[BaseModel]) -> _Finding:
    """Walk a location along the annotations, apart into path and union labels."""
    path: Path = ()
    branches: tuple[Branch, ...] = ()
    annotation: Any = model
    owner: Any = None
    for item in found["loc"]:
        if item == "[key]":
            break
        here = node_at(root, path)
        members, tagged = _members(annotation)
        if len(members) > 1:
            if not tagged:
                branches += ((path, str(item)),)
            annotation = _member_called(members, item)
            continue
        annotation = owner = _specific(members[0], here)
        path += (item,)
        annotation = _below(annotation, item)
    return _Finding(
        type=found["type"],
        message=found["msg"],
        value=found.get("input"),
        context=found.get("ctx", {}),
        path=path,
        owner=owner,
        branches=branches,
    )


def _members(annotation: Any, *, tagged: bool = False) -> tuple[list[Any], bool]:
    """Return the members of a union, None left out, and whether a tag selects among them."""
    if isinstance(annotation, FieldInfo):
        return _members(annotation.annotation, tagged=annotation.discriminator is not None)
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        tagged = tagged or any(getattr(item, "discriminator", None) for item in metadata)
        return _members(inner, tagged=tagged)
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return (members, tagged) if len(members) > 1 else _members(members[0], tagged=tagged)
    return [annotation], tagged


def _member_called(members: Iterable[Any], label: Any) -> Any:
    """Return the member of a union that a label or a tag stands for."""
    for member in members:
        inner = _members(member)[0]
        plain = inner[0]
        if len(inner) > 1 and str(label).startswith(("tagged-union", "union")):
            return member
        if getattr(plain, "__name__", None) == label or label in _tags(plain):
            return plain
        if str(label).startswith(f"{getattr(get_origin(plain), '__name__', '?')}["):
            return plain
    return Any


def _tags(model: Any) -> tuple[Any, ...]:
    """Return the values of `kind` by which a model is chosen."""
    kind = model.model_fields.get("kind") if _is_model(model) else None
    if kind is None:
        return ()
    return get_args(kind.annotation) if get_origin(kind.annotation) is Literal else (kind.default,)


def _specific(annotation: Any, here: Node) -> Any:
    """Return the subclass that the `kind` in the file names, where a field holds a base class."""
    kind = here.child("kind")
    if kind is None or not _is_model(annotation) or kind.value in _tags(annotation):
        return annotation
    for subclass in annotation.__subclasses__():
        found = _specific(subclass, here)
        if kind.value in _tags(found):
            return found
    return annotation


def _below(annotation: Any, item: Any) -> Any:
    """Return the annotation of a field, value or entry; Any where it is not known."""
    if _is_model(annotation):
        return annotation.model_fields.get(item, Any)
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) == 2:
        return arguments[1]
    if origin is tuple and isinstance(item, int) and arguments[-1] is not ...:
        return arguments[item] if item < len(arguments) else Any
    return arguments[0] if arguments else Any


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _settled(findings: list[_Finding], level: int) -> Iterator[_Finding]:
    """Keep, of each union, the findings on the member that the value was meant to be."""
    groups: dict[Path, list[_Finding]] = {}
    for finding in findings:
        if len(finding.branches) > level:
            groups.setdefault(finding.branches[level][0], []).append(finding)
        else:
            yield finding
    for path, group in groups.items():
        deep = [f for f in group if f.path != path or f.type not in _EXPECTED]
        if not deep:
            yield _either(group)
            continue
        by_label: dict[str, list[_Finding]] = {}
        for finding in deep:
            by_label.setdefault(finding.branches[level][1], []).append(finding)
        yield from _settled(min(by_label.values(), key=len), level + 1)


def _either(group: list[_Finding]) -> _Finding:
    """Join findings that say, each of another type, that a value is not of it."""
    first = group[0]
    words = dict.fromkeys(_expected(finding) for finding in group)
    message = f"Got {_shown(first.value)}, expected {' or '.join(words)}."
    return _Finding("either", message, first.value, {}, first.path, first.owner, ())


def _expected(finding: _Finding) -> str:
    return _EXPECTED[finding.type].format_map(finding.context)


def _problems(finding: _Finding, root: Node) -> Iterator[Problem]:
    """Say a finding in words; one that a validator made may hold several problems."""
    place, path = place_of(root, finding.path), finding.path
    cause = finding.context.get("error")
    if isinstance(cause, ConfigError):
        for problem in cause.problems:
            inner = path + (parse_path(problem.path) or ())
            yield place_of(root, inner).problem(problem.message, inner)
    elif isinstance(cause, Exception):
        yield place.problem(str(cause) or type(cause).__name__, path)
    elif finding.type == "missing":
        yield _missing(finding, root)
    elif finding.type == "extra_forbidden":
        key_place = node_at(root, path).key_place or place
        yield key_place.problem(_unknown_key(str(path[-1]), finding.owner), path)
    elif finding.type == "union_tag_not_found":
        key = str(finding.context["discriminator"]).strip("'")
        yield place.problem("This key is missing; it says what the rest describes.", (*path, key))
    elif finding.type == "union_tag_invalid":
        yield _unknown_tag(finding, root)
    else:
        yield place.problem(_wrong_value(finding), path)


def _missing(finding: _Finding, root: Node) -> Problem:
    """Say that a key, or an entry of a list of fixed length, is not there."""
    *outer, last = finding.path
    place = place_of(root, tuple(outer))
    if isinstance(last, int):
        return place.problem(f"The list has too few entries: [{last}] is missing.", tuple(outer))
    field = finding.owner.model_fields.get(last) if _is_model(finding.owner) else None
    meaning = f" ({_first_line(field.description)})" if field and field.description else ""
    return place.problem(f"This key is missing{meaning}.", finding.path)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].rstrip(".")


def _unknown_key(key: str, owner: Any) -> str:
    known = tuple(owner.model_fields) if _is_model(owner) else ()
    hint = near_miss_hint(key, known)
    if hint or not known:
        return f"Unknown key.{hint}"
    return f"Unknown key. Known keys: {', '.join(known)}."


def _unknown_tag(finding: _Finding, root: Node) -> Problem:
    """Say that a `kind` is none of those that exist."""
    key = str(finding.context["discriminator"]).strip("'")
    tag, expected = str(finding.context["tag"]), str(finding.context["expected_tags"])
    known = re.findall(r"'([^']*)'", expected)
    path = (*finding.path, key)
    return place_of(root, path).problem(
        f"Unknown {key} {tag!r}.{near_miss_hint(tag, known)} Known: {', '.join(known)}.", path
    )


def _wrong_value(finding: _Finding) -> str:
    """Say what a value is and what it should have been."""
    if finding.type not in _EXPECTED:
        return finding.message
    expected = _expected(finding)
    hint = ""
    if expected == _WHOLE and isinstance(finding.value, float) and finding.value.is_integer():
        hint = f" Write {int(finding.value)}."
    if finding.type in ("enum", "literal_error") and isinstance(finding.value, str):
        hint = near_miss_hint(finding.value, re.findall(r"'([^']*)'", expected))
    return f"Got {_shown(finding.value)}, expected {expected}.{hint}"


def _shown(value: Any) -> str:
    """Show a value as it stands in a file, with its type where that may be the surprise."""
    if isinstance(value, Mapping):
        return _MAPPING
    if isinstance(value, list | tuple):
        return a_list(value)
    if isinstance(value, str):
        text = value if len(value) <= _SHOWN_LENGTH else value[:_SHOWN_LENGTH] + "..."
        return f"{text!r} (a string)"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    return text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "..."
