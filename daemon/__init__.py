"""Pro Engine's daemon: HTTP, queue, cache and the processes that move pixels."""
