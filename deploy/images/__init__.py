"""The one image of all services, and how a container is asked for its health."""
