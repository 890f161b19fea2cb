"""What tasks and tenants may use at most: reserved before a call is made, settled with its step."""
