"""A fake wgpu, for tests: it loads, and cannot be asked."""


class gpu:  # noqa: N801, wgpu's own name
    @staticmethod
    def enumerate_adapters_sync() -> list[object]:
        raise RuntimeError("the driver said ERROR_INITIALIZATION_FAILED")
