"""`GET /metrics`: what is measured, and how it is told to Prometheus."""
