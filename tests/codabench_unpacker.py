"""Unpacks and saves a bundle with Codabench's own code, on SQLite: a program for the Python of a checkout.

    python codabench_unpacker.py CHECKOUT BUNDLE

prints what became of the competition as JSON. The environment needs the packages of the checkout's pyproject.toml.
"""

import json
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from types import ModuleType

import yaml


class NoMigrations(dict):
    """Answers for every application that it has no migrations: tables are made from the models."""

    def __contains__(self, application):
        return True

    def __getitem__(self, application):
        return None


def prepare(checkout, folder):
    """Set Django up with Codabench's settings, but files, cache and database of our own."""
    os.environ.update(
        DOMAIN_NAME="localhost",
        DATABASE_URL=f"sqlite:///{folder}/database.sqlite",
        TEMP_SUBMISSION_STORAGE=f"{folder}/temporary",
        DJANGO_SETTINGS_MODULE="bundle_settings",
    )
    sys.path[:0] = [f"{checkout}/src", f"{checkout}/src/apps"]
    from settings import base

    settings = ModuleType("bundle_settings")
    vars(settings).update({name: value for name, value in vars(base).items() if name.isupper()})
    files = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": f"{folder}/files"}}
    settings.STORAGES = {**base.STORAGES, "default": files}
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    settings.MIGRATION_MODULES = NoMigrations()
    settings.CELERY_TASK_ALWAYS_EAGER = True
    sys.modules["bundle_settings"] = settings

    import django
    from django.core.files.storage import FileSystemStorage
    from utils import storage

    storage.BundleStorage = storage.PublicStorage = FileSystemStorage(location=f"{folder}/files")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)


def unpacked(bundle, folder):
    """Unpack and save a bundle as the platform does, and return what it made of it."""
    from competitions.unpackers.v2 import V2Unpacker
    from django.contrib.auth import get_user_model

    user = get_user_model().objects.create(username="organizer", email="organizer@example.org")
    content = Path(folder) / "content" / "of"
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(content)
    document = yaml.safe_load((content / "competition.yaml").read_text())
    unpacker = V2Unpacker(competition_yaml=document, temp_directory=str(content), creator=user)
    unpacker.unpack()
    competition = unpacker.save()
    [phase] = competition.phases.all()
    board = phase.leaderboard
    return {
        "title": competition.title,
        "docker_image": competition.docker_image,
        "pages": [page.title for page in competition.pages.all()],
        "start": phase.start.isoformat(),
        "end": phase.end.isoformat() if phase.end else None,
        "limit": phase.execution_time_limit,
        "daily": phase.max_submissions_per_day,
        "rule": board.submission_rule,
        "columns": [[column.key, column.sorting, column.precision] for column in board.columns.order_by("index")],
        "tasks": [
            {part: getattr(task, part) is not None for part in ("ingestion_program", "input_data", "reference_data")}
            for task in phase.tasks.all()
        ],
        "solutions": [task.solutions.count() for task in phase.tasks.all()],
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as here:
        prepare(sys.argv[1], here)
        try:
            print(json.dumps(unpacked(sys.argv[2], here)))
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
