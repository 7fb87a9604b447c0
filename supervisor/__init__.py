"""The supervisor: owns the port, the listening socket and every restart of the daemon."""
