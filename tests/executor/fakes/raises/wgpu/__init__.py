"""A fake wgpu, for tests: its native library is not there."""

raise OSError("libwgpu_native.so: cannot open shared object file")
