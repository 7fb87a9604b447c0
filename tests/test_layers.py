"""The directions of dependency that the design gives, read from the imports themselves."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("daemon", "supervisor", "shaders")
# Values that cross borders: whoever speaks of a job, an error or a message may import these, and they import no layer.
VALUES = {
    "daemon.accounts.billing",
    "daemon.errors",
    "daemon.private_file",
    "daemon.executor.formats",
    "daemon.executor.intake_limits",
    "daemon.executor.messages",
    "daemon.executor.needs",
    "daemon.jobs.job",
}
# What the modules below a name may import of ours, beside themselves and VALUES.
MAY_IMPORT = {
    "daemon.__main__": {
        *("daemon.app", "daemon.settings", "daemon.log", "daemon.lifecycle", "daemon.runtime_file"),
        *("daemon.quick_imports", "daemon.fair_loop"),
    },
    "daemon.app": {
        *("daemon.assembly", "daemon.api"),
        *("daemon.settings", "daemon.lifecycle", "daemon.drain", "daemon.runtime_file"),
    },
    "daemon.assembly": {
        *("daemon.api.parts", "daemon.jobs", "daemon.executor", "daemon.store", "daemon.accounts", "daemon.settings"),
    },
    "daemon.cli": {
        *("daemon.__main__", "daemon.settings", "daemon.log", "daemon.client", "daemon.published"),
        *("daemon.settings_table", "daemon.settings_lookup", "daemon.config_file", "daemon.runtime_file"),
        *("daemon.api.wire", "daemon.executor", "daemon.accounts", "daemon.signin", "daemon.migrate"),
    },
    "daemon.client": {"daemon.settings", "daemon.published", "daemon.signin", "daemon.accounts.project"},
    "daemon.signin": {"daemon.accounts.project"},
    "daemon.migrate": {"daemon.accounts.project", "daemon.signin"},
    "daemon.published": {"daemon.settings"},
    "daemon.api": {
        "daemon.jobs",
        "daemon.executor",
        "daemon.store",
        "daemon.accounts",
        "daemon.drain",
        "daemon.fair_loop",
    },
    "daemon.drain": set(),
    "daemon.fair_loop": set(),
    "daemon.jobs": {"daemon.executor", "daemon.store", "daemon.accounts"},
    "daemon.executor": set(),
    "daemon.store": set(),
    "daemon.accounts": {"daemon.store"},
    "daemon.engine": {"daemon.quick_imports"},
    "daemon.settings": {"daemon.config_file", "daemon.settings_lookup", "daemon.settings_table"},
    "daemon.settings_lookup": {"daemon.config_file", "daemon.settings_table"},
    "daemon.config_file": {"daemon.settings_table"},
    "daemon.settings_table": {"daemon.parsing"},
    "daemon.parsing": set(),
    "daemon.runtime_file": set(),
    "daemon.log": {"daemon.lines", "daemon.quick_imports"},
    "daemon.quick_imports": set(),
    "daemon.lines": set(),
    "daemon.lifecycle": set(),
    "daemon.errors": set(),
    "daemon": set(),
    "supervisor": set(),
    "shaders": set(),
}
# One library, one home.
HOMES = {
    "aiohttp": ("daemon.api", "daemon.app", "daemon.client", "daemon.accounts.project", "daemon.migrate.http"),
    "jwt": ("daemon.accounts",),
    "keyring": ("daemon.signin.keeping",),
    "wgpu": ("daemon.engine.gpu",),
    "PIL": ("daemon.engine.codec",),
    "imagecodecs": ("daemon.engine.codec.deep", "daemon.engine.codec.jpeg.write"),
    "pi_heif": ("daemon.engine.codec.deep",),
    "numba": ("daemon.engine.cpu",),
    "numpy": ("daemon.engine",),
    "aiosqlite": ("daemon.store.database",),
    "psutil": (
        *("supervisor", "daemon.api.health", "daemon.api.metrics.scrape"),
        *("daemon.cli.port", "daemon.engine.memory"),
    ),
    "prometheus_client": ("daemon.api.metrics.exposition",),
    "rich": ("daemon.cli",),
    "pydantic": (
        *("daemon.api.wire", "daemon.api.route", "daemon.api.openapi.schemas"),
        *("daemon.executor.messages", "daemon.executor.needs", "daemon.engine.codec.journal"),
    ),
}
MOST_LINES = 250


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where they lead"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def lies_in(name: str, place: str) -> bool:
    return name == place or name.startswith(place + ".")


def layer_of(name: str) -> str:
    return max((layer for layer in MAY_IMPORT if lies_in(name, layer)), key=len)


MODULES = list(modules())


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_a_module_imports_only_what_lies_below_it(name: str, path: Path) -> None:
    layer = layer_of(name)
    allowed = {layer, *VALUES, *MAY_IMPORT[layer]} if name not in VALUES else VALUES
    for imported in imports(path):
        if imported.split(".")[0] in PACKAGES:
            assert any(lies_in(imported, place) for place in allowed), f"{name} imports {imported}"


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_a_library_is_imported_in_its_one_home(name: str, path: Path) -> None:
    for imported in imports(path):
        homes = HOMES.get(imported.split(".")[0])
        assert homes is None or any(lies_in(name, home) for home in homes), f"{name} imports {imported}"


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_a_module_fits_in_a_head(name: str, path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES, name


def test_the_rule_bites(tmp_path: Path) -> None:
    upward = tmp_path / "upward.py"
    upward.write_text("from daemon.api import routes\n")
    with pytest.raises(AssertionError, match=r"daemon\.store\.upward imports daemon\.api\.routes"):
        test_a_module_imports_only_what_lies_below_it("daemon.store.upward", upward)


def test_what_stays_loaded_in_the_daemon_never_includes_what_moves_pixels() -> None:
    says = "import sys, daemon.app; print(sorted({'wgpu', 'numpy', 'PIL', 'numba'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_the_intake_loads_no_more_than_it_needs_to_read_headers() -> None:
    says = "import sys, daemon.engine.intake; print(sorted({'wgpu', 'numpy', 'numba'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
