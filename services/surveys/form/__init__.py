"""The public form: HTML for any phone, without script, cookie, foreign resource or memory of who looks at it."""
