"""The pure half of the engine: what is measured, what a state contributes, and how contributions become cells."""
