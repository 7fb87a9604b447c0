"""WGSL, one pass a file; `shared/` holds what passes import. This package only makes them installable data."""
