"""Writes a C++ file whose debug information has all that programs compiled against us rely on.

usage: make_probe.py c++|c INCLUDE_DIR < exported-symbols > probe.cpp

The input is `nm -D --defined-only` of the library. The output has, as exported variables, a pointer
of the type of every exported function (so that its return type counts too, which its symbol does
not tell) and one to every public type; abidw describes those in two seconds and a megabyte, where
the library itself with full debug information takes minutes to build and to read.
"""

import pathlib
import re
import subprocess
import sys

PRELUDE = """
namespace {
template <class... A>
struct Pick {
  template <class R, class C>
  static auto of(R (C::*)(A...)) -> R (*)(C*, A...) { return nullptr; }
  template <class R, class C>
  static auto of(R (C::*)(A...) const) -> R (*)(const C*, A...) { return nullptr; }
  template <class R>
  static auto of(R (*)(A...)) -> R (*)(A...) { return nullptr; }
};
template <class... A>
struct PickConst {
  template <class R, class C>
  static auto of(R (C::*)(A...) const) -> R (*)(const C*, A...) { return nullptr; }
};
}
#define ROOT extern "C" __attribute__((visibility("default"), used))
"""


def public_types(include):
    """Qualified names of the types that stand at a header's outer level."""
    for header in sorted(include.glob("cloudos/*.hpp")):
        spaces, depth, previous = [], 0, ""  # Depth: braces that are open, namespaces' too.
        for line in header.read_text().splitlines():
            code = re.sub(r'"(\\.|[^"\\])*"|\'.\'|//.*', "", line)
            opened = re.match(r"namespace ([\w:]+) \{\s*$", code)
            found = re.match(r"(struct|class|enum class) (?:\[\[nodiscard\]\] )?"
                             r"(?:CLOUDOS_EXPORT )?(\w+)(?: final)?(?: :[^;]*)?(?: \{.*)$", code)
            if found and depth == len(spaces) and not previous.startswith("template"):
                yield "::".join([*spaces, found[2]])
            depth += code.count("{") - code.count("}")
            if opened:
                spaces.append(opened[1])
            elif depth < len(spaces):
                spaces.pop()
            previous = line


def split_arguments(text):
    """The arguments of a demangled function, at its outer commas."""
    depth, start, parts = 0, 0, []
    for at, char in enumerate(text):
        depth += (char in "<(") - (char in ">)")
        if char == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def function_root(symbol, demangled):
    """A variable of the function's type; of constructors and destructors, the name alone."""
    match = re.match(r"([\w:~]+(?:operator\S+)?)\((.*)\)( const)?$", demangled)
    name = match[1] if match else ""
    parts = name.split("::")
    if not match or "~" in name or (len(parts) > 1 and parts[-1] == parts[-2]):
        return f"ROOT char abi_{symbol};\nchar abi_{symbol};\n"
    pick = "PickConst" if match[3] else "Pick"
    arguments = ", ".join(split_arguments(match[2]))
    expression = f"{pick}<{arguments}>::of(&{name})"
    return (f"ROOT decltype({expression}) abi_{symbol};\n"
            f"decltype({expression}) abi_{symbol};\n")


def c_probe(symbols):
    print(f'#include "cloudos.h"\n{PRELUDE}')
    for symbol in symbols:
        print(f"ROOT decltype(&{symbol}) abi_{symbol};\ndecltype(&{symbol}) abi_{symbol};")


def cxx_probe(include, symbols):
    for header in sorted(include.glob("cloudos/*.hpp")):
        print(f'#include "cloudos/{header.name}"')
    print(PRELUDE)
    for name in dict.fromkeys(public_types(include)):
        variable = "abi_type_" + name.replace("::", "_")
        print(f"ROOT {name}* {variable};\n{name}* {variable};")
    readable = subprocess.run(["c++filt"], input="\n".join(symbols), capture_output=True,
                              text=True, check=True).stdout.splitlines()
    for symbol, demangled in zip(symbols, readable):
        demangled = demangled.replace("[abi:cxx11]", "")
        if demangled.startswith(("vtable", "typeinfo", "VTT")):
            print(f"ROOT char abi_{symbol};\nchar abi_{symbol};")
        else:
            print(function_root(symbol, demangled), end="")


def main():
    symbols = sorted({line.split()[-1].partition("@")[0] for line in sys.stdin})
    if sys.argv[1] == "c":
        c_probe(symbols)
    else:
        cxx_probe(pathlib.Path(sys.argv[2]), symbols)


if __name__ == "__main__":
    main()
