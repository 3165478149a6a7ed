"""The working pages: registers, forms and the desk, drawn from `registers.toml` and the services' own descriptions."""
