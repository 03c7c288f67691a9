"""The types that editors and type checkers see are those of the library's verbs."""

import ast
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import cloudos
from cloudos.nouns import _path_members, python_name

STUBS = pathlib.Path(os.environ["CLOUDOS_STUBS"])

PROGRAM = """
import cloudos
from typing import List

with cloudos.open(hosts=["host-1"]) as cloud:
    image = cloud.images.create_from_file("disk", name="small")
    server = cloud.servers.create(name="one", flavorRef="1", imageRef=image)
    server.wait(timeout=3.0)
    names: List[str] = [each.name for each in cloud.servers.list()]
    for flavor in cloud.flavors.iterate():
        print(flavor)
"""
WRONG = {  # Lines behind it, each with what is wrong about it.
    "    cloud.serves.list()": 'has no attribute "serves"',
    "    cloud.servers.crate()": 'has no attribute "crate"',
    "    cloud.networks.show()": 'Missing positional argument "id"',
    "    cloud.servers.create(name='two')": 'Missing named argument',
    "    cloud.flavors.create(name='f', ram='much', vcpus=1, disk=1)": 'has incompatible type "str"',
    "    server.wait(timeout='long')": 'has incompatible type "str"',
}


class Stubs(unittest.TestCase):
    def test_every_verb_is_in_the_stubs_with_its_parameters(self):
        tree = ast.parse(STUBS.read_text())
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        nouns = {node.name: node.returns.id for node in classes["Nouns"].body
                 if isinstance(node, ast.FunctionDef)}
        with cloudos.open(hosts=["host-1"]) as cloud:
            verbs = cloud.verbs()
        self.assertGreater(len(verbs), 300)
        for verb in verbs:
            noun, _, name = verb["name"].partition(".")
            with self.subTest(verb=verb["name"]):
                methods = {node.name: node for node in classes[nouns[noun]].body
                           if isinstance(node, ast.FunctionDef)}
                method = methods[python_name(name)]
                self.assertEqual(ast.get_docstring(method, clean=False), verb["help"])
                places = [argument.arg for argument in method.args.args[1:]]
                self.assertEqual(places, [python_name(member)
                                          for member in _path_members(verb["path"])])
                named = {argument.arg: default for argument, default in
                         zip(method.args.kwonlyargs, method.args.kw_defaults)}
                for parameter in verb["parameters"]:
                    member = python_name(parameter["name"])
                    if not member.isidentifier() or member in places or \
                            parameter["type"] == "members":
                        continue
                    self.assertIn(member, named)
                    if parameter["required"]:
                        self.assertIsNone(named[member])

    @unittest.skipUnless(pathlib.Path("/usr/bin/mypy").exists(), "there is no mypy")
    def test_a_type_checker_takes_good_programs_and_finds_what_is_wrong(self):
        with tempfile.TemporaryDirectory(prefix="cloudos-stubs-") as folder:
            site = pathlib.Path(folder, "site")
            shutil.copytree(pathlib.Path(cloudos.__file__).parent, site / "cloudos",
                            ignore=shutil.ignore_patterns("__pycache__", "*.pyi"))
            shutil.copy(STUBS, site / "cloudos" / "nouns.pyi")
            variables = {**os.environ, "MYPYPATH": str(site), "PYTHONPATH": ""}

            def mypy(*words):
                return subprocess.run(
                    ["/usr/bin/mypy", "--no-error-summary", "--cache-dir", f"{folder}/cache", *words],
                    cwd=folder, env=variables, capture_output=True, text=True, timeout=120)

            strict = mypy("--strict", "-p", "cloudos")
            self.assertEqual((strict.returncode, strict.stdout), (0, ""))
            program = pathlib.Path(folder, "program.py")
            program.write_text(PROGRAM)
            good = mypy("program.py")
            self.assertEqual((good.returncode, good.stdout), (0, ""))
            program.write_text(PROGRAM + "\n".join(WRONG) + "\n")
            found = mypy("program.py").stdout.splitlines()
            for line, (code, wrong) in enumerate(WRONG.items(), PROGRAM.count("\n") + 1):
                told = [each for each in found if each.startswith(f"program.py:{line}:")]
                self.assertTrue(any(wrong in each for each in told), f"{code}: {told}")


if __name__ == "__main__":
    unittest.main()
