"""Contacts and calendars: a card or an entry a document."""
