"""A package of a stranger that is called as ours is."""
