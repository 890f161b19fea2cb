"""Who may come in, for what, and how often: keys, tokens, scopes, tenants and the audit log."""
