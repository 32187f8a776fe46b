"""Saved objects of Kibana as the tests read them: what stands in strings of JSON, decoded."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KIBANA = Path(__file__).parents[2] / "config" / "elk" / "kibana"
FILES = {language: KIBANA / f"painel-do-clima.{language}.ndjson" for language in ("pt-BR", "en")}

Json = dict[str, Any]


class Panel:
    """
    One file of saved objects, decoded.

    Attributes:
        dashboard: The one dashboard among its objects.
        objects: All of them.
        panels: What the dashboard's panelsJSON says; `encoded` puts it back.
    """

    def __init__(self, text: str) -> None:
        self.objects = [json.loads(line) for line in text.splitlines()]
        (self.dashboard,) = (one for one in self.objects if one["type"] == "dashboard")
        self.panels: list[Json] = json.loads(self.attributes["panelsJSON"])

    @property
    def attributes(self) -> Json:
        """Those of the dashboard."""
        found: Json = self.dashboard["attributes"]
        return found

    @property
    def controls(self) -> Json:
        """The choices above the panel."""
        found: Json = json.loads(self.attributes["controlGroupInput"]["panelsJSON"])
        return found

    def lenses(self) -> Iterator[Json]:
        """Return the panels that are Lens views."""
        return (panel for panel in self.panels if panel["type"] == "lens")

    def maps(self) -> Iterator[Json]:
        """Return the panels that are maps."""
        return (panel for panel in self.panels if panel["type"] == "map")

    def encoded(self) -> str:
        """Return the file's text again, with what was changed here."""
        objects = copy.deepcopy(self.objects)
        for one in objects:
            if one["type"] == "dashboard" and "panelsJSON" in one["attributes"]:
                one["attributes"]["panelsJSON"] = json.dumps(self.panels)
        return "".join(json.dumps(one) + "\n" for one in objects)


def layers(lens: Json) -> Json:
    """Return the layers of a Lens view by their ids."""
    found: Json = lens["embeddableConfig"]["attributes"]["state"]["datasourceStates"]["formBased"]["layers"]
    return found


def visualization(lens: Json) -> Json:
    """Return what a Lens view does with its layers."""
    found: Json = lens["embeddableConfig"]["attributes"]["state"]["visualization"]
    return found


def map_layers(panel: Json) -> list[Json]:
    """Return the layers of a map."""
    found: list[Json] = json.loads(panel["embeddableConfig"]["attributes"]["layerListJSON"])
    return found
