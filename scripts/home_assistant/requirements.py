"""Prints what Home Assistant would fetch for these integrations, and for those that they need."""

import json
import pathlib
import sys

import homeassistant

COMPONENTS = pathlib.Path(homeassistant.__file__).parent / "components"


def collect(domain, seen, found):
    if domain in seen:
        return
    seen.add(domain)
    manifest = json.loads((COMPONENTS / domain / "manifest.json").read_text())
    found.update(manifest.get("requirements", []))
    for other in manifest.get("dependencies", []):
        collect(other, seen, found)


seen, found = set(), set()
for domain in sys.argv[1:]:
    collect(domain, seen, found)
print("\n".join(sorted(found)))
