"""Opspawn: LLM agents as durable tasks. This package is the application; it alone knows both libraries."""
