"""From an untrusted notebook to a trusted score."""
