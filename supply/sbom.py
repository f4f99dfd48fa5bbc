"""`make sbom`: what an installation holds, as a CycloneDX 1.6 document in JSON.

The same lock and the same date give the same document. It speaks of this platform: of the packages that are installed
on it, and of what their wheels say is compiled into them (PEP 770).
"""

import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.exception import CycloneDxException
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from doorward import __version__
from supply.licences import licence_of
from supply.locked import LOCK, Locked, locked

OURS = "doorward"
LICENCE = "Apache-2.0"
DIGEST = "doorward:locked-sha256"
"""The property with the digest of a distribution that the lock allows: one of them is what was installed."""

_NAMESPACE = UUID("6f8f2d0c-8a43-5d5f-9c55-7f0d3a3a1b52")
_LICENCES = LicenseFactory()


def sbom(made_at: datetime) -> str:
    """The document. Raises PackageNotFoundError, LookupError."""
    parts = locked(LOCK)
    ours = Component(
        name=OURS,
        version=__version__,
        type=ComponentType.APPLICATION,
        bom_ref=OURS,
        purl=PackageURL("pypi", name=OURS, version=__version__),
        licenses=[_LICENCES.make_with_expression(LICENCE)],
    )
    components = {part.name: _component(part) for part in parts}
    bom = Bom(
        components=components.values(),
        serial_number=uuid5(_NAMESPACE, __version__ + LOCK.read_text("utf-8")),
    )
    bom.metadata.component = ours
    bom.metadata.timestamp = made_at
    everything = {OURS: ours} | components
    for name, component in everything.items():
        asked = [components[part.name] for part in parts if name in part.asked_by]
        bom.register_dependency(component, asked)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def errors_in(document: str) -> str | None:
    """What CycloneDX's own schema says against a document, or None."""
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(document)
    return None if found is None else str(found)


def _component(part: Locked) -> Component:
    installed = distribution(part.name)
    if installed.version != part.version:
        raise LookupError(f"{part.name} {installed.version} is installed, {part.version} is locked: make install")
    return Component(
        name=part.name,
        version=part.version,
        type=ComponentType.LIBRARY,
        bom_ref=part.name,
        purl=PackageURL("pypi", name=part.name, version=part.version),
        licenses=[_LICENCES.make_with_expression(licence_of(part.name))],
        properties=[Property(name=DIGEST, value=digest) for digest in part.digests],
        components=list(_compiled_in(part)),
    )


def _compiled_in(part: Locked) -> Iterator[Component]:
    """What a wheel's own documents say is in it: Rust crates, C libraries."""
    seen = set()
    for file in distribution(part.name).files or []:
        if "sboms" not in file.parts or not file.name.endswith(".json"):
            continue
        for each in json.loads(Path(str(file.locate())).read_text("utf-8")).get("components", []):
            purl = PackageURL.from_string(each["purl"]) if "purl" in each else None
            if (purl is not None and purl.type == "pypi") or (each["name"], each.get("version")) in seen:
                continue
            seen.add((each["name"], each.get("version")))
            yield Component(
                name=each["name"],
                version=each.get("version"),
                type=ComponentType.LIBRARY,
                bom_ref=f"{part.name}:{each['name']}@{each.get('version')}",
                # Without its qualifiers, which name the folder it was built in.
                purl=purl and PackageURL(purl.type, purl.namespace, purl.name, purl.version),
                licenses=_licences_told(each),
            )


def _licences_told(component: dict[str, Any]) -> list[Any]:
    expressions = [each["expression"] for each in component.get("licenses", []) if "expression" in each]
    try:
        return [_LICENCES.make_with_expression(each) for each in expressions]
    except CycloneDxException:
        return []  # in words of its author's own


def main() -> None:
    """Write the document to standard output, dated by SOURCE_DATE_EPOCH where that is set."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    document = sbom(datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC))
    if (wrong := errors_in(document)) is not None:
        sys.exit(f"not what CycloneDX asks for: {wrong}")
    sys.stdout.write(document)


if __name__ == "__main__":
    main()
