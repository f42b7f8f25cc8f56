"""Includes point to the left only: base, measure, policies, pipeline, manager; core, adapters, apps and the rest."""

import re
from pathlib import Path, PurePosixPath

from source_tree import CPP, line_of, project_files

LAYERS = ["base", "measure", "policies", "pipeline", "manager"]
# Headers above the layers may include all of them; from which layer on they may be included.
TOP_HEADERS = {"testing.hpp": LAYERS.index("manager"), "resilience.hpp": len(LAYERS)}

# What an adapter may include beside the core: its outside library, and the adapters it is built on.
ADAPTERS = {
    "json": {"libraries": {"nlohmann"}, "adapters": set()},
    "prometheus": {"libraries": {"prometheus"}, "adapters": set()},
    "http": {"libraries": {"boost"}, "adapters": {"json", "prometheus"}},
}
TEST_LIBRARIES = {"gtest", "gmock", "rapidcheck"}
FOR_TESTS = "for_tests"  # the folder core/src/for_tests: what tests of several layers share
# Fork hooks and what a test of them needs; the compiler's own header, to let a forced unwinding pass.
PLATFORM = {"pthread.h", "unistd.h", "sys/wait.h", "cxxabi.h"}

STANDARD = set("""
algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes climits
clocale cmath codecvt compare complex concepts condition_variable coroutine csetjmp csignal cstdarg cstddef cstdint
cstdio cstdlib cstring ctime cuchar cwchar cwctype deque exception execution expected filesystem forward_list fstream
functional future initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map memory
memory_resource mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator semaphore
set shared_mutex source_location span spanstream sstream stack stdexcept stop_token streambuf string string_view
syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility valarray variant
vector version
""".split())

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def problems(root: Path) -> list[str]:
    found = []
    texts = {PurePosixPath(path.relative_to(root)): path.read_text(encoding="utf-8")
             for path in project_files(root) if path.suffix in CPP}
    fixtures = {name for name, text in texts.items() if _is_fixture(name, text)}
    for name, text in texts.items():
        for match in _INCLUDE.finditer(text):
            reason = _objection(name, match.group(1), match.group(2), fixtures)
            if reason:
                found.append(f"{name}:{line_of(text, match.start())}: {reason}")
    return found


def _is_fixture(file: PurePosixPath, text: str) -> bool:
    """A private header for tests: it includes a test library, or what tests share."""
    return file.suffix == ".hpp" and "src" in file.parts and any(
        match.group(2).split("/")[0] in TEST_LIBRARIES | {FOR_TESTS} for match in _INCLUDE.finditer(text))


def _objection(file: PurePosixPath, bracket: str, include: str, fixtures: set[PurePosixPath]) -> str | None:
    """Why this file may not include that, or None."""
    if ".." in PurePosixPath(include).parts:
        return f"'{include}' climbs out of its folder; name it from its include root"
    if bracket == '"':
        return _objection_to_quoted(file, include, fixtures)
    if include.startswith("resilience/"):
        return _objection_to_own(file, include)
    for_tests = file.stem.endswith("_test") or file in fixtures
    if include.split("/")[0] in TEST_LIBRARIES | {FOR_TESTS} and for_tests:
        return None
    return _objection_to_outside(file, include)


def _objection_to_quoted(file: PurePosixPath, include: str, fixtures: set[PurePosixPath]) -> str | None:
    if file.parts[0] in ("core", "adapters") and "/" in include:
        return f"'{include}': a quoted include names a file beside this one; use <resilience/...>"
    if file.parent / include in fixtures and file not in fixtures and not file.stem.endswith("_test"):
        return f"'{include}' is for tests: it includes a test library"
    return None


def _objection_to_own(file: PurePosixPath, include: str) -> str | None:
    module, second = file.parts[0], include.split("/")[1]
    if module == "core":
        own, other = _core_rank(file), _include_rank(second)
        if other is None:
            return f"the core includes '{include}', which is no part of the core"
        if own is not None and other > own:
            return f"{LAYERS[own]} includes '{include}', which stands to its right"
    elif module == "adapters" and second in ADAPTERS:
        adapter = file.parts[1]
        if second != adapter and second not in ADAPTERS.get(adapter, {"adapters": set()})["adapters"]:
            return f"adapter {adapter} includes adapter {second}"
    return None


def _core_rank(file: PurePosixPath) -> int | None:
    """The layer of a file of the core; None for a header above the layers."""
    folder = file.parts[3] if file.parts[1] == "include" else file.parts[2]
    return LAYERS.index(folder) if folder in LAYERS else None


def _include_rank(second: str) -> int | None:
    return LAYERS.index(second) if second in LAYERS else TOP_HEADERS.get(second)


def _objection_to_outside(file: PurePosixPath, include: str) -> str | None:
    module, library = file.parts[0], include.split("/")[0]
    if include in STANDARD or include in PLATFORM:
        return None
    if module == "core":
        return f"the core includes <{include}>: it may use the standard library only"
    if module == "adapters":
        adapter = file.parts[1]
        known = ADAPTERS.get(adapter)
        if known is None:
            return f"adapter {adapter} is not listed in tools/check_layers.py"
        # System headers have no folder or live in sys/, netinet/ and the like; libraries have a folder of their name.
        libraries = known["libraries"].union(*(ADAPTERS[other]["libraries"] for other in known["adapters"]))
        if library not in libraries and not include.endswith(".h"):
            return f"adapter {adapter} includes <{include}>: its library is {', '.join(sorted(known['libraries']))}"
    return None
