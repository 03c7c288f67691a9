"""cloud.servers, cloud.images, …: the library's table of verbs as Python methods."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional

from . import _native

if TYPE_CHECKING:
    from .cloud import Cloud

_PAGE = 500


class Resource(Mapping[str, Any]):
    """One thing of the cloud, as it was when it was read: its members are attributes and items.

    ``server.status`` is ``server["status"]``. The verbs that are about one thing are its methods:
    ``server.stop()`` is ``cloud.servers.stop(server.id)``. A member goes before a verb.
    ``dict(server)`` is the plain data.
    """

    def __init__(self, noun: "Noun", members: Dict[str, Any]) -> None:
        self._noun = noun
        self._members = members

    def __getitem__(self, name: str) -> Any:
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._members:
            return self._members[name]
        method = self._noun._bound(name, self.key)
        if method is None:
            raise AttributeError(f"{self._noun._name} have neither member nor verb '{name}'")
        return method

    def __dir__(self) -> List[str]:
        return sorted({*super().__dir__(), *self, *self._noun._verbs_of_one()})

    def __repr__(self) -> str:
        return f"<{self._noun._name} {self.key}: {self._members}>"

    @property
    def key(self) -> str:
        """What names it in requests: its id, or its name where that is its id."""
        return str(self.get(self._noun._key) or self.get("id") or self.get("name") or "")

    def refresh(self) -> "Resource":
        """Reads it anew, in place. Errors: NOT_FOUND."""
        self._members = self._noun.show(self.key)._members
        return self


class Server(Resource):
    """A server: also waits."""

    def wait(self, timeout: float = 60.0) -> "Server":
        """Blocks until no task changes it any more, then reads it anew.

        Errors: the one of a task that failed, TIMEOUT, NOT_FOUND (it was deleted).
        """
        self._noun._cloud._wait_server(self.key, timeout)
        self.refresh()
        return self

    def wait_deleted(self, timeout: float = 60.0) -> None:
        """Blocks until it is gone; call delete() first. Errors: TIMEOUT, the task's."""
        try:
            self._noun._cloud._wait_server(self.key, timeout)
        except _native.CloudosError as error:
            if error.code != _native.ErrorCode.NOT_FOUND:
                raise
            return
        raise _native.CloudosError(_native.ErrorCode.CONFLICT, "the server is not being deleted")


class _Method:
    """One verb, callable. Members of its path may be given by place, in the path's order."""

    def __init__(self, noun: "Noun", verb: Dict[str, Any]) -> None:
        self._noun, self._verb = noun, verb
        self.__name__ = verb["name"].partition(".")[2]
        self.__doc__ = _doc(verb)

    def __call__(self, *places: Any, **parameters: Any) -> Any:
        path = _path_members(self._verb["path"])
        if len(places) > len(path):
            raise TypeError(f"{self._verb['name']} takes {len(path)} arguments by place: {path}")
        given = {(k[:-1] if k.endswith("_") else k): v for k, v in parameters.items()}
        for name, value in zip(path, places):
            if name in given:
                raise TypeError(f"{self._verb['name']} got '{name}' twice")
            given[name] = value
        reply = self._noun._cloud.call(self._verb["name"], given)
        return self._noun._wrap(reply)

    def __repr__(self) -> str:
        return f"<verb {self._verb['name']}>"


class Noun:
    """The verbs of one noun: ``cloud.servers``."""

    _resource = Resource

    def __init__(self, cloud: "Cloud", name: str, verbs: Dict[str, Dict[str, Any]]) -> None:
        self._cloud, self._name, self._verbs = cloud, name, verbs
        self._key = next(iter(verbs.values())).get("key") or "id"

    def __getattr__(self, name: str) -> Any:
        verb = self._verbs.get(name.rstrip("_"))
        if verb is None:
            raise AttributeError(f"{self._name} have no verb '{name}'; they have: "
                                 + ", ".join(sorted(self._verbs)))
        return _Method(self, verb)

    def __dir__(self) -> List[str]:
        return sorted({*super().__dir__(), *self._verbs})

    def __repr__(self) -> str:
        return f"<{self._name}: {', '.join(sorted(self._verbs))}>"

    def iterate(self, **query: Any) -> Iterator[Any]:
        """All that ``list`` gives, read page by page."""
        parameters = {p["name"] for p in self._verbs["list"]["parameters"]}
        if not {"limit", "marker"} <= parameters:
            yield from self.list(**query)
            return
        query.setdefault("limit", _PAGE)
        while True:
            page = self.list(**query)
            yield from page
            if len(page) < int(query["limit"]):
                return
            query["marker"] = page[-1].key

    def _wrap(self, reply: Any) -> Any:
        if isinstance(reply, list):
            return [self._wrap(each) for each in reply]
        if isinstance(reply, dict) and (self._key in reply or "id" in reply):
            return self._resource(self, reply)
        return reply

    def _verbs_of_one(self) -> List[str]:
        return [name for name, verb in self._verbs.items()
                if _path_members(verb["path"])[:1] == ["id"]]

    def _bound(self, name: str, key: str) -> Any:
        if name.rstrip("_") not in self._verbs_of_one():
            return None
        method = getattr(self, name)

        def bound(*places: Any, **parameters: Any) -> Any:
            return method(key, *places, **parameters)

        bound.__name__, bound.__doc__ = method.__name__, method.__doc__
        return bound


class Servers(Noun):
    """Servers: what is made is read back whole, and can be waited for."""

    _resource = Server

    def create(self, **parameters: Any) -> Server:
        """Records a server in BUILD and queues its making; see Server.wait()."""
        made = self._cloud.call("servers.create", parameters)
        return self.show(made["id"])


class Images(Noun):
    """Images: also from a file."""

    def create_from_file(self, path: Any, *, name: str, disk_format: str = "raw",
                         visibility: Optional[str] = None, min_disk_gib: int = 0,
                         min_ram_mib: int = 0) -> Resource:
        """Makes an image of the file's bytes; blocks as long as that takes.

        Errors: NOT_FOUND (the file), INVALID_ARGUMENT (also when the content is refused),
        STORAGE_FULL. When it fails there is no image.
        """
        image = self._cloud._image_from_file(path, name=name, disk_format=disk_format,
                                             visibility=visibility, min_disk_gib=min_disk_gib,
                                             min_ram_mib=min_ram_mib)
        return self.show(image)


class Tasks(Noun):
    """Tasks: also waits."""

    def wait(self, id: str, timeout: float = 60.0) -> Resource:
        """Blocks until the task is done. Errors: its own if it failed, TIMEOUT, NOT_FOUND."""
        self._cloud._wait_task(str(id), timeout)
        return self.show(id)


_KINDS = {"servers": Servers, "images": Images, "tasks": Tasks}


class Nouns:
    """What a Cloud has of the table: an attribute for each noun."""

    _table: Dict[str, Dict[str, Dict[str, Any]]]

    def __getattr__(self, name: str) -> Noun:
        verbs = None if name.startswith("_") else self._table.get(name)
        if verbs is None:
            raise AttributeError(f"a cloud has no '{name}'")
        return _KINDS.get(name, Noun)(self, name, verbs)  # type: ignore[arg-type]

    def __dir__(self) -> List[str]:
        return sorted({*super().__dir__(), *self._table})


def table_of(verbs: List[Dict[str, Any]]) -> Dict[str, Dict[str, Dict[str, Any]]]:
    """noun -> verb -> its description."""
    table: Dict[str, Dict[str, Dict[str, Any]]] = {}
    for verb in verbs:
        noun, _, name = verb["name"].partition(".")
        table.setdefault(noun, {})[name] = verb
    return table


def _path_members(path: str) -> List[str]:
    return [piece.partition("}")[0] for piece in path.split("{")[1:]]


def _doc(verb: Dict[str, Any]) -> str:
    request = f"{verb['method']} {verb['path']}" if verb["path"] else "Several requests."
    lines = [verb["help"], "", request, ""]
    seen = set()
    for parameter in verb["parameters"]:
        if parameter["name"] not in seen:
            need = ", needed" if parameter["required"] else ""
            lines.append(f"{parameter['name']} ({parameter['type']}{need}): {parameter['help']}")
        seen.add(parameter["name"])
    return "\n".join(lines)


def python_name(name: str) -> str:
    """A verb as an identifier: keywords get an underscore."""
    return name + "_" if keyword.iskeyword(name) else name
