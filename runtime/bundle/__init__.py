"""A bundle's folder in, what it declares out."""
