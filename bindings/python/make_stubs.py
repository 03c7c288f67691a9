"""Writes nouns.pyi beside what it describes: every verb's parameters for type checkers and editors.

usage: make_stubs.py NOUNS_PYI     (CLOUDOS_LIBRARY: the libcloudos-c.so whose verbs to describe)

Run by the build, so that what is installed always fits the library it came with.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from cloudos import nouns  # noqa: E402
from cloudos.cloud import verbs  # noqa: E402

TYPES = {"string": "_Text", "integer": "int", "boolean": "bool", "array": "_List",
         "object": "Mapping[str, Any]", "constant": "Any"}

HEAD = '''"""Made by make_stubs.py from the library's table of verbs; do not edit."""

from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Union

class Resource(Mapping[str, Any]):
    @property
    def key(self) -> str: ...
    def __getitem__(self, name: str) -> Any: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def __getattr__(self, name: str) -> Any: ...
    def refresh(self) -> Resource: ...

class Server(Resource):
    def wait(self, timeout: float = ...) -> Server: ...
    def wait_deleted(self, timeout: float = ...) -> None: ...

class Noun:
    def iterate(self, **query: Any) -> Iterator[Any]: ...

_Text = Union[str, Resource]
_List = Sequence[Any]
'''

EXTRA = {
    "images": '''    def create_from_file(self, path: Any, *, name: str, disk_format: str = ...,
                         visibility: Optional[str] = ..., min_disk_gib: int = ...,
                         min_ram_mib: int = ...) -> Resource: ...
''',
    "tasks": "    def wait(self, id: str, timeout: float = ...) -> Resource: ...\n",
}


def class_name(noun):
    return "".join(piece.capitalize() for piece in noun.split("_")) + "_"


def reply_type(noun, name, verb):
    one = "Server" if noun == "servers" else "Resource"
    if name.startswith("list"):
        return f"List[{one}]" if name == "list" else "Any"
    return one if name in ("create", "show", "update") and verb["reply"] else "Any"


def signature(noun, name, verb):
    path = nouns._path_members(verb["path"])
    places = [f"{nouns.python_name(member)}: _Text" for member in path]
    named, seen, open_ended = [], set(path), False
    for parameter in verb["parameters"]:
        member = parameter["name"]
        if member in seen:
            continue
        seen.add(member)
        if not member.isidentifier() or parameter["type"] == "members":
            open_ended = True  # "changes-since": to be given as **{"changes-since": …}.
            continue
        kind = TYPES.get(parameter["type"], "Any")
        default = "" if parameter["required"] else " = ..."
        kind = kind if parameter["required"] else f"Optional[{kind}]"
        named.append(f"{nouns.python_name(member)}: {kind}{default}")
    tail = (["*", *named] if named else []) + ["**more: Any"]
    arguments = ", ".join(["self", *places, *tail])
    return (f"    def {nouns.python_name(name)}({arguments}) -> {reply_type(noun, name, verb)}:\n"
            f'        """{verb["help"]}"""\n')


def stub():
    table = nouns.table_of(verbs())
    parts = [HEAD]
    for noun, its in sorted(table.items()):
        parts.append(f"\nclass {class_name(noun)}(Noun):\n")
        parts += [signature(noun, name, verb) for name, verb in sorted(its.items())]
        parts.append(EXTRA.get(noun, ""))
    parts.append("\nclass Nouns:\n")
    parts += [f"    @property\n    def {noun}(self) -> {class_name(noun)}: ...\n"
              for noun in sorted(table)]
    parts.append("\ndef table_of(verbs: List[Dict[str, Any]]) -> "
                 "Dict[str, Dict[str, Dict[str, Any]]]: ...\n"
                 "def python_name(name: str) -> str: ...\n")
    return "".join(parts)


if __name__ == "__main__":
    pathlib.Path(sys.argv[1]).write_text(stub())
