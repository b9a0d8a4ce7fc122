"""From balanced accuracy to points."""


# LOCKED CELL [points]: from balanced accuracy to points.
def performance(bac_mean: float) -> int:
    """Turn the mean BAC of the two models into points: 0 up to 0.5, 100 from 0.8 on, linear between, rounded."""
    return round(100 * min(max((bac_mean - 0.5) / 0.3, 0.0), 1.0))
