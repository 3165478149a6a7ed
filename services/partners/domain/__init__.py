"""The rules of partners, pure: (state, command) -> (event type, new state) or a DomainError. No I/O, no clock."""
