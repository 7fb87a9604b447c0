"""A fake wgpu, for tests: adapters that are none."""


class gpu:  # noqa: N801, wgpu's own name
    @staticmethod
    def enumerate_adapters_sync() -> list[object]:
        return [object(), None, 42]
