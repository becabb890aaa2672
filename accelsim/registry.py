"""Name -> object: the tables that plugins extend without editing accelsim.

A registry is filled, the first time that it is read, from the entry points of
its group. The value of each entry point is a *provider*: a mapping from name
to object. accelsim's own objects come from a provider like everybody else's;
because that one is also named here, it is found even where the installed
metadata is older than the code. Two objects under one name are refused, and a
provider that does not load is an error that names it: no run ever uses another
object than the one that was meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from threading import RLock
from typing import Any, Generic, TypeVar, overload

from accelsim.errors import PluginError, UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of named objects of one kind.

    Parameters
    ----------
    kind : str
        What the objects are, in the singular, for error texts.
    group : str
        The entry-point group that fills the table.
    builtin : str, optional
        The provider of accelsim's own objects, as ``module:attribute``. An
        entry point with the same value is the same provider, loaded once.

    Examples
    --------
    >>> colours = Registry("colour", group="example.colours")
    >>> colours.register("red", 0xFF0000)
    16711680
    >>> colours.get("red")
    16711680
    >>> colours.get("rad")
    Traceback (most recent call last):
        ...
    accelsim.errors.UnknownNameError: Unknown colour 'rad'. Did you mean red? Known: red.
    """

    def __init__(self, kind: str, *, group: str, builtin: str | None = None) -> None:
        self.kind = kind
        self.group = group
        self.builtin = builtin
        self._registered: dict[str, T] = {}
        self._provided: dict[str, T] | None = None
        self._lock = RLock()

    def get(self, name: str) -> T:
        """Return the object called `name`.

        Raises
        ------
        UnknownNameError
            If there is none; it lists the nearest name and all known ones.
        PluginError
            If a provider of the group does not load.
        """
        table = self._table()
        if name not in table:
            raise UnknownNameError(self.kind, name, table)
        return table[name]

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted."""
        return tuple(sorted(self._table()))

    def items(self) -> tuple[tuple[str, T], ...]:
        """Return all pairs of name and object, sorted by name."""
        return tuple(sorted(self._table().items(), key=lambda pair: pair[0]))

    def __contains__(self, name: object) -> bool:
        return name in self._table()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self._table())

    @overload
    def register(self, name: str) -> Callable[[T], T]: ...

    @overload
    def register(self, name: str, item: T) -> T: ...

    def register(self, name: str, item: T | None = None) -> T | Callable[[T], T]:
        """Add `item` under `name` for the life of this process, and return it.

        Without `item`, return a decorator that adds what it decorates.

        Raises
        ------
        PluginError
            If the name is empty or already taken.
        """
        if item is None:
            return lambda decorated: self.register(name, decorated)
        if not name:
            raise PluginError(f"A {self.kind} cannot be registered under an empty name.")
        with self._lock:
            if name in self._registered or name in (self._provided or ()):
                raise PluginError(
                    f"The {self.kind} {name!r} is registered already; choose another name."
                )
            self._registered[name] = item
        return item

    def _table(self) -> Mapping[str, T]:
        with self._lock:
            if self._provided is None:
                self._provided = self._provide()
            return {**self._provided, **self._registered}

    def _provide(self) -> dict[str, T]:
        """Collect what all providers give, refusing every second owner of a name."""
        owner_of = dict.fromkeys(self._registered, "a call of register()")
        table: dict[str, T] = {}
        for provider in self._providers():
            owner = f"{provider.value} ({_origin(provider)})"
            for name, item in self._load(provider, owner).items():
                if name in owner_of:
                    raise PluginError(
                        f"Two {self.kind} objects are called {name!r}: one from {owner_of[name]},"
                        f" one from {owner}. Rename or uninstall one of them."
                    )
                owner_of[name] = owner
                table[name] = item
        return table

    def _providers(self) -> list[EntryPoint]:
        """List the providers, accelsim's own first, then by package and name."""
        found = {entry.value: entry for entry in entry_points(group=self.group)}
        others = sorted(found.values(), key=lambda entry: (_origin(entry), entry.name))
        if self.builtin is None:
            return others
        own = found.get(self.builtin, EntryPoint("builtin", self.builtin, self.group))
        return [own, *(entry for entry in others if entry.value != self.builtin)]

    def _load(self, provider: EntryPoint, owner: str) -> Mapping[str, T]:
        try:
            loaded: Any = provider.load()
        except Exception as error:
            raise PluginError(
                f"The plugin {provider.name!r} of the group {self.group!r}, {owner}, does not"
                f" load: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(loaded, Mapping) or not all(isinstance(name, str) for name in loaded):
            raise PluginError(
                f"The plugin {provider.name!r} of the group {self.group!r}, {owner}, is a"
                f" {type(loaded).__name__}; it must be a mapping from name to {self.kind}."
            )
        return loaded


def _origin(provider: EntryPoint) -> str:
    """Name the package that declares a provider."""
    return provider.dist.name if provider.dist is not None else "accelsim"


#: Number formats: name -> `accelsim.formats.NumberFormat`.
formats: Registry[Any] = Registry(
    "format", group="accelsim.formats", builtin="accelsim.formats.catalog:BUILTIN"
)
#: Precision recipes: name -> `accelsim.precision.Recipe`.
recipes: Registry[Any] = Registry(
    "recipe", group="accelsim.recipes", builtin="accelsim.precision.catalog:BUILTIN"
)
#: Layer models: ``kind`` -> class of the layer.
layers: Registry[Any] = Registry(
    "layer", group="accelsim.layers", builtin="accelsim.workload.layers:BUILTIN"
)
#: Dataflows: name -> function from op and chip to `accelsim.schedule.Mapping`.
dataflows: Registry[Any] = Registry(
    "dataflow", group="accelsim.dataflows", builtin="accelsim.schedule.dataflows:BUILTIN"
)
#: Cost tables: name -> `accelsim.cost.CostTable`.
cost_tables: Registry[Any] = Registry(
    "cost table", group="accelsim.cost_tables", builtin="accelsim.cost.catalog:BUILTIN"
)
