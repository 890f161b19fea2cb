"""What tasks ask people for, across all tasks of a tenant: approvals, inputs, and links that decide."""
