"""The shelf: one folder a bundle. The default one is named in `nestling.encoding.bundle`."""
