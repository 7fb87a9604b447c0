"""A fake numba, one that cannot be loaded: its compiler's library is missing."""

raise ImportError("libLLVM.so: cannot open shared object file")
