"""From an untrusted notebook to a trusted score."""

import competition  # noqa: F401  # before torch: it sets how torch's threads wait
