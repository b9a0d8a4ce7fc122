"""From many submissions to a leaderboard: what was handed in, who grades it, what counts, who stands where."""
