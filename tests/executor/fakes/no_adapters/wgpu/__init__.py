"""A fake wgpu, for tests: it loads, and knows of no adapter."""


class gpu:  # noqa: N801, wgpu's own name
    @staticmethod
    def enumerate_adapters_sync() -> list[object]:
        return []
