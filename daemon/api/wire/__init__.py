"""The JSON that goes over the wire, in both directions: pydantic models, one module a resource."""
