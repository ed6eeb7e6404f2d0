"""The OpenAPI document of the gateway: what each route takes and gives, said once, held against the routes by tests."""
