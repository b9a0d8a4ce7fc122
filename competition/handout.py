"""What lies beside the notebook in ``public/`` for its readers: a README, and the packages that the notebook needs."""

from __future__ import annotations

from pathlib import Path

README_FILE = "README.md"
REQUIREMENTS_FILE = "requirements.txt"
REQUIREMENTS = (  # what the locked cells import, within the ranges of pyproject.toml; and a place to open them in
    "gdown>=5.2",
    "ipykernel>=6.29",
    "matplotlib>=3.9",
    "numpy>=2.0",
    "pandas>=2.2",
    "pillow>=10.1",
    "scikit-learn>=1.5",
    "scipy>=1.13",
    "torch>=2.8,<3",
    "torchvision>=0.23,<1",
    "tqdm>=4.66",
    "jupyterlab>=4.2",
)
KIT_KNOWN = "The kit is at <{url}>; its README says how to install it."
KIT_UNKNOWN = "Ask the organizers where the kit is; its README says how to install it."


def readme_text(kit_url: str | None = None) -> str:
    """Return the text of the README that is handed out.

    Args:
        kit_url: where participants get the kit, for ``grader check``; without it they are told to ask.
    """
    text = Path(__file__).with_name("handout.md").read_text(encoding="utf-8")
    return text.replace("KIT_ADDRESS", KIT_UNKNOWN if kit_url is None else KIT_KNOWN.format(url=kit_url))


def write_handout(public: Path, kit_url: str | None = None) -> None:
    """Write both files into `public`."""
    (public / README_FILE).write_text(readme_text(kit_url), encoding="utf-8")
    (public / REQUIREMENTS_FILE).write_text("\n".join(REQUIREMENTS) + "\n", encoding="utf-8")
