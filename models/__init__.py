"""The shelf: one folder a bundle. The default one is named in `nestling.bundle.manifest`."""
