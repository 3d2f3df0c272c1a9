"""Print a constraint for each dependency of the package and its extras: its lower bound."""

import pathlib
import re
import tomllib

project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
ours = [name for name in extras if name not in ("bench", "dev", "docs")]
for requirement in (*project["dependencies"], *(each for name in ours for each in extras[name])):
    bound = re.match(r"([A-Za-z0-9-]+)>=([0-9.]+)", requirement)
    if bound is not None:
        print(f"{bound[1]}=={bound[2]}")
