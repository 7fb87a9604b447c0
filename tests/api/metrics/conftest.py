"""A scrape, read by the library of those who scrape."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.api.conftest import Service


@dataclass(frozen=True)
class Scraped:
    families: dict[str, Metric] = field(default_factory=dict)

    def value(self, name: str, **labels: str) -> float:
        """Of one sample, by its full name without our prefix; 0 where it is not there."""
        full = f"pro_engine_{name}"
        for family in self.families.values():
            for sample in family.samples:
                if sample.name == full and sample.labels == labels:
                    return sample.value
        return 0.0

    def labels(self, name: str) -> list[dict[str, str]]:
        full = f"pro_engine_{name}"
        return [s.labels for family in self.families.values() for s in family.samples if s.name == full]


def parse(text: str) -> Scraped:
    return Scraped({family.name: family for family in text_string_to_metric_families(text)})


async def scrape(service: Service) -> Scraped:
    async with service.session.get("/metrics") as response:
        assert response.status == 200, await response.text()
        return parse(await response.text())
