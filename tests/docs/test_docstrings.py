"""The examples in docstrings run, and each public class has one."""

from __future__ import annotations

import doctest
import inspect
import pydoc
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import hookkey_verify
from docs._sphinx.public import public_modules, public_names

PACKAGE = Path(hookkey_verify.__file__).parent
FLAGS = doctest.ELLIPSIS
ENVIRONMENT = ("HOOKKEY_", "OKTA_CLIENT_")


def _classes() -> Iterator[tuple[str, type]]:
    for module in public_modules():
        for name in public_names(module):
            home, _, short = name.rpartition(".")
            value = getattr(import_module(home), short)
            if inspect.isclass(value):
                yield name, value


def _modules() -> list[str]:
    """Return the modules whose text has an example."""
    files = [path for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text("utf-8")]
    names = [path.relative_to(PACKAGE.parent).with_suffix("") for path in sorted(files)]
    return [".".join(name.parts).removesuffix(".__init__") for name in names]


CLASSES = dict(_classes())


@pytest.mark.parametrize("name", CLASSES)
def test_a_public_class_has_an_example(name: str) -> None:
    """The docstring of each public class ends with an example, whose result is shown or checked."""
    found = doctest.DocTestParser().get_examples(CLASSES[name].__doc__ or "")
    assert found, name
    assert any(example.want or example.source.startswith("_ = ") for example in found)


@pytest.mark.parametrize("module", _modules())
@pytest.mark.filterwarnings("ignore:Using `httpx` with")
def test_the_examples_of_a_module(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each example in the docstrings of a module prints what it says."""
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    tests = [each for each in doctest.DocTestFinder().find(import_module(module)) if each.examples]
    assert tests
    for each in tests:
        assert runner.run(each).failed == 0, capsys.readouterr().out


def test_help_shows_only_public_names() -> None:
    """``help(hookkey_verify)`` begins with the purpose, and describes exactly the public names."""
    text = pydoc.plain(pydoc.render_doc(hookkey_verify))
    assert (
        text.splitlines()[3].strip().startswith("hookkey_verify - Verify what Okta hook keys sign")
    )
    classes = text.partition("\nCLASSES\n")[2].partition("\nDATA\n")[0]
    described = set(re.findall(r"^    class (\w+)", classes, re.MULTILINE))
    assert described == set(hookkey_verify.__all__)
    assert {name for name in dir(hookkey_verify) if not name.startswith("__")} == described
