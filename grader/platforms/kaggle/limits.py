"""What Kaggle's files may hold: the words and types of its client, version 2.2.5."""

from __future__ import annotations

from datetime import datetime

PRIVACY = ("PUBLIC", "LIMITED", "PRIVATE")
PAGES = ("description", "rules", "evaluation", "data-description", "prizes")
SETTINGS: dict[str, type] = {  # those of its fields that no comment keeps for Kaggle's staff
    "title": str,
    "brief_description": str,
    "rules_required": bool,
    "enable_team_files": bool,
    "deadline": datetime,
    "disable_submissions": bool,
    "public_leaderboard_disclaimer_message": str,
    "has_leaderboard": bool,
    "final_leaderboard_disclaimer_message": str,
    "max_pending_submissions_per_team": int,
    "only_allow_kernel_submissions": bool,
    "max_cpu_runtime_minutes": int,
    "max_gpu_runtime_minutes": int,
}
LICENSES = frozenset(
    (
        "CC0-1.0",
        "CC-BY-SA-3.0",
        "CC-BY-SA-4.0",
        "CC-BY-NC-SA-4.0",
        "GPL-2.0",
        "GPL-3.0",
        "LGPL-3.0",
        "AGPL-3.0",
        "FDL-1.3",
        "ODbL-1.0",
        "DbCL-1.0",
        "ODC-BY-1.0",
        "PDDL",
        "CC-BY-3.0",
        "CC-BY-4.0",
        "CC-BY-3.0-IGO",
        "CC-BY-NC-4.0",
        "CC-BY-NC-SA-3.0-IGO",
        "CC-BY-ND-4.0",
        "CC-BY-NC-ND-4.0",
        "CDLA-Permissive-1.0",
        "CDLA-Sharing-1.0",
        "US-Government-Works",
        "EU-ODP-Legal-Notice",
        "apache-2.0",
        "copyright-authors",
        "other",
        "unknown",
    )
)
