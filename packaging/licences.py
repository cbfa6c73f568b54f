"""Writes names, versions, licences and licence texts of all crates that end up in the program.

    cargo metadata ... | licences.py NAME TARGET > third-party-licences.txt

MIT, BSD and their like want their text wherever the program goes. Crates bring it along in files of their sources; those
that bring none are named with their licence.
"""

import json
import pathlib
import sys

NAMES = ("licen", "copying", "notice", "unlicense", "copyright")


def linked(metadata, root):
    """Ids of the packages that are linked into the root: no build scripts' and no tests' dependencies."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found, todo = set(), [root]
    while todo:
        package = todo.pop()
        if package in found:
            continue
        found.add(package)
        for dep in nodes[package]["deps"]:
            if any(kind["kind"] is None for kind in dep["dep_kinds"]):
                todo.append(dep["pkg"])
    return found - {root}


def texts(folder):
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.lower().startswith(NAMES):
            yield path.name, path.read_text("utf-8", "replace").strip()


def main():
    metadata = json.load(sys.stdin)
    root = next(package["id"] for package in metadata["packages"] if package["name"] == sys.argv[1])
    wanted = linked(metadata, root)
    packages = sorted((p for p in metadata["packages"] if p["id"] in wanted), key=lambda p: (p["name"], p["version"]))
    if not packages:
        sys.exit("licences: no crates in the metadata")
    print(f"Libraries that are linked into {sys.argv[1]}, and their licences\n")
    for package in packages:
        print(f"{package['name']} {package['version']}: {package['license'] or 'see its text'}")
    known = {}
    for package in packages:
        for name, text in texts(pathlib.Path(package["manifest_path"]).parent):
            known.setdefault(text, []).append(f"{package['name']} {package['version']} ({name})")
    # The same text stands once, for all that have it.
    for text, users in known.items():
        print(f"\n{'=' * 78}\n" + "\n".join(users) + f"\n{'-' * 78}\n{text}")


main()
