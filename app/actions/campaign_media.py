"""The media files that a campaign file names: read, checked, and pinned by their digest."""

from __future__ import annotations

from pathlib import Path

from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.spec.media_files import MediaFile, read_media


def with_media(spec: CampaignSpec, folder: Path) -> tuple[CampaignSpec, list[MediaFile]]:
    """The campaign with the digest of each file that lies in the folder of its campaign file, and the files. Raises
    SpecError where one is missing, or is none that WhatsApp takes for this."""
    data = spec.model_dump()
    files: dict[str, MediaFile] = {}
    for table, file in read_media(data, folder):
        table["digest"] = file.digest
        files[file.digest] = file
    return (CampaignSpec.model_validate(data), list(files.values())) if files else (spec, [])
