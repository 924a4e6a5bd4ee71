"""The HTTPS API: one straight pipe from route to durable commit. The only package that knows the store."""
