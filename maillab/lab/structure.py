"""TOML tables to specs by cattrs: strictly, for every mistake at once; and again as they were meant.

The strict reading finds the mistakes in single values. The second reading takes the same tables as their author
meant them (`hots` for `host`, `"anna"` for `["anna"]`) and never fails, so that what the tables say about one
another can be checked in the same run and one slip is not reported twice.

A new section of the lab file is a class in `spec` and a line in `LabFile`.
"""

from __future__ import annotations

import collections.abc
import enum
import functools
import inspect
import itertools
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, get_args, get_origin

import attrs
import cattrs
from cattrs.cols import homogenous_tuple_structure_factory
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, make_mapping_structure_fn, override

from maillab.faults.fault import Fault, key_of
from maillab.lab.mistakes import NOBODYS_DOMAIN, Mistake, Where, as_toml, did_you_mean, nearest, path_text
from maillab.lab.spec import (
    Addressing,
    DnsSpec,
    DomainSpec,
    ForeignSpec,
    LabSpec,
    Language,
    LimitsSpec,
    RelaySpec,
    RetrySpec,
    Seed,
    UserSpec,
)
from maillab.lab.values import READERS, WrongValue, read_choice, read_local_part
from maillab.network.endpoint import Endpoint
from maillab.smtp.replies import ReplyStyle


@attrs.frozen
class LabTable:
    """The section [lab]."""

    name: str
    title: Mapping[str, str] = attrs.field(factory=dict)
    replies: ReplyStyle = ReplyStyle.REALISTIC
    language: Language = attrs.field(default=attrs.Factory(lambda table: _language_of(table.replies), takes_self=True))
    addressing: Addressing = Addressing.PORTS
    fault_addresses: bool = False
    seed: Seed | None = None


@attrs.frozen
class LabFile:
    """The whole file; the attributes are the names of its sections."""

    lab: LabTable
    domain: tuple[DomainSpec, ...] = ()
    relay: tuple[RelaySpec, ...] = ()
    retry: RetrySpec = attrs.field(factory=RetrySpec)
    limits: LimitsSpec = attrs.field(factory=LimitsSpec)
    dns: DnsSpec = attrs.field(factory=DnsSpec)
    foreign: tuple[ForeignSpec, ...] = ()
    fault: tuple[Fault, ...] = ()

    def to_spec(self) -> LabSpec:
        return LabSpec(
            name=self.lab.name,
            title=self.lab.title,
            replies=self.lab.replies,
            language=self.lab.language,
            addressing=self.lab.addressing,
            domains=self.domain,
            relays=self.relay,
            retry=self.retry,
            limits=self.limits,
            dns=self.dns,
            foreign=self.foreign,
            faults=self.fault,
            fault_addresses=self.lab.fault_addresses,
            seed=self.lab.seed,
        )


def _language_of(replies: ReplyStyle) -> Language:
    """A lab whose servers speak German writes German, unless the file says otherwise."""
    return Language.GERMAN if replies is ReplyStyle.FILIUS_DE else Language.ENGLISH


def read_tables(tables: Mapping[str, Any]) -> tuple[LabSpec, tuple[Mistake, ...]]:
    """The lab that these tables mean, and everything that is wrong within their single values."""
    try:
        return STRICT.structure(tables, LabFile).to_spec(), ()
    except cattrs.BaseValidationError as error:
        meant = _converter(meant=True).structure(tables, LabFile)
        return meant.to_spec(), tuple(_mistakes(error, ()))


def _converter(*, meant: bool) -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=not meant)
    stand_in = _StandIns() if meant else None

    def value_hook(kind: Any, read: Callable[[object], object]) -> Callable[[object, Any], object]:
        def hook(value: object, _: Any) -> object:
            try:
                return read(value)
            except WrongValue:
                if stand_in is None:
                    raise
                return stand_in(kind, value)

        return hook

    @converter.register_structure_hook_factory(_is_enum)
    def one_of(kind: type[enum.Enum]) -> Callable[[object, Any], object]:
        return value_hook(kind, lambda value: read_choice(value, kind))

    @converter.register_structure_hook_factory(_is_list)
    def a_list(kind: Any, converter: cattrs.Converter) -> Callable[[object, Any], object]:
        """Without this, `users = "anna"` becomes ("a", "n", "n", "a")."""
        of_tables = attrs.has(get_args(kind)[0]) and get_args(kind)[0] is not UserSpec
        inner = homogenous_tuple_structure_factory(kind, converter)

        def hook(value: object, type_: Any) -> object:
            if not isinstance(value, list):
                if not meant:
                    raise _no_list(value, of_tables)
                value = [value]
            return inner(value, type_)

        return hook

    @converter.register_structure_hook_factory(_is_mapping)
    def a_mapping(kind: Any, converter: cattrs.Converter) -> Callable[[object, Any], object]:
        return table_hook(make_mapping_structure_fn(kind, converter, dict))

    @converter.register_structure_hook_factory(attrs.has)
    def a_table(kind: Any, converter: cattrs.Converter) -> Callable[[object, Any], object]:
        # Python keeps some words for itself; an attribute is called by such a word with an underscore.
        renamed: dict[str, Any] = {field.name: override(rename=key_of(field.name)) for field in attrs.fields(kind)}
        inner = make_dict_structure_fn(kind, converter, **renamed)
        return table_hook(inner, lambda value: _mended(value, kind))

    def table_hook(
        inner: Callable[[Mapping[str, Any], Any], object],
        mend: Callable[[dict[str, Any]], dict[str, Any]] = lambda value: value,
    ) -> Callable[[object, Any], object]:
        def hook(value: object, type_: Any) -> object:
            if not isinstance(value, dict):
                if not meant:
                    raise _no_table(value)
                value = {}
            return inner(mend(value) if meant else value, type_)

        return hook

    for kind, read in READERS.items():
        hook = value_hook(kind, read)
        if inspect.isclass(kind):
            converter.register_structure_hook(kind, hook)
        else:
            converter.register_structure_hook_func(functools.partial(operator.eq, kind), hook)

    user_table = converter.get_structure_hook(UserSpec)

    @converter.register_structure_hook
    def user(value: object, type_: Any) -> UserSpec:
        """A bare name is a whole user."""
        if isinstance(value, str):
            return UserSpec(value if meant else read_local_part(value))
        if not meant and not isinstance(value, dict):
            example = '{ name = "anna", password = "secret" }'
            raise WrongValue(f"{as_toml(value)} is no user", "give a name in quotes", f"or {example}")
        from_table: UserSpec = user_table(value, type_)
        return from_table

    return converter


def _is_enum(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, enum.Enum)


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) is collections.abc.Mapping


class _StandIns:
    """What stands in for a value that cannot be meant: like no other value, so that it disagrees with nothing."""

    def __init__(self) -> None:
        self._count = itertools.count()

    def __call__(self, kind: Any, value: object) -> object:
        unlike_others = f"stand-in-{next(self._count)}{NOBODYS_DOMAIN}"
        if _is_enum(kind):
            return next(iter(kind))
        base = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        if base is Endpoint:
            return Endpoint(unlike_others, 0)
        if base is float:
            return 1.0
        if base in (bool, int):
            return base(1)
        return value if isinstance(value, str) else unlike_others


def _mended(value: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """The table with mistyped keys named as they were meant, and with every key that it needs."""
    mended = dict(value)
    for key in value.keys() - _keys(kind):
        guess = nearest(key, _keys(kind))
        if guess is not None:
            mended.setdefault(guess, value[key])
    required = (key_of(field.name) for field in attrs.fields(kind) if field.default is attrs.NOTHING)
    return dict.fromkeys(required) | mended  # the readers give None a stand-in


def _mistakes(error: BaseException, where: Where) -> Iterator[Mistake]:
    match error:
        case cattrs.IterableValidationError():
            for part, note in error.group_exceptions()[0]:
                yield from _mistakes(part, (*where, note.index))
        case cattrs.ClassValidationError():
            yield from _table_mistakes(error, where)
        case WrongValue():
            yield Mistake(path_text(where), error.found, error.expected, error.mend)
        case _:
            raise error


def _table_mistakes(error: cattrs.ClassValidationError, where: Where) -> Iterator[Mistake]:
    in_keys, in_table = error.group_exceptions()
    # cattrs says these in the order of its work; a mistyped key explains a missing one, so it comes first.
    explained = set()
    for part in in_table:
        if not isinstance(part, ForbiddenExtraKeysError):
            raise part
        keys = _keys(part.cl)
        for key in sorted(part.extra_fields):
            yield Mistake(path_text((*where, key)), "unknown key", did_you_mean(key, keys))
            explained.add(nearest(key, keys))
    for part, note in in_keys:
        key = key_of(note.name)
        if not isinstance(part, KeyError):
            yield from _mistakes(part, (*where, key))
        elif key not in explained:
            yield Mistake(path_text((*where, key)), "missing", "this has to be given")


def _keys(kind: type) -> frozenset[str]:
    return frozenset(key_of(field.name) for field in attrs.fields(kind))


def _no_list(value: object, of_tables: bool) -> WrongValue:
    if of_tables and isinstance(value, dict):
        return WrongValue("one table is no list of tables", "write its name in two pairs of brackets: [[...]]")
    example = f"[{as_toml(value)}]" if isinstance(value, str) else "[...]"
    return WrongValue(f"{as_toml(value)} is no list", f"write {example}")


def _no_table(value: object) -> WrongValue:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return WrongValue("a list of tables is no table", "write its name in one pair of brackets: [...]")
    return WrongValue(f"{as_toml(value)} is no table", "give KEY = VALUE pairs, in a [section] or between { }")


STRICT: Final = _converter(meant=False)


def read_fault_table(table: Mapping[str, Any]) -> tuple[Fault, tuple[Mistake, ...]]:
    """The fault that a table of a lab file means, or an object of JSON; and what is wrong with its single values."""
    try:
        return STRICT.structure(table, Fault), ()
    except cattrs.BaseValidationError as error:
        return _converter(meant=True).structure(table, Fault), tuple(_mistakes(error, ()))
