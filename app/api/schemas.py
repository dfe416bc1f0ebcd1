"""The JSON Schema of jobs, for editors and other programs."""

from __future__ import annotations

from litestar import Response, get

from app.schema import MEDIA_TYPE, job_schema


@get("/schemas/job.json", sync_to_thread=False, media_type=MEDIA_TYPE)
def show_job_schema() -> Response[bytes]:
    """Return the JSON Schema of a job, of draft 07."""
    return Response(job_schema(), media_type=MEDIA_TYPE)
