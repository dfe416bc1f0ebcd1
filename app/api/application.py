"""The web application: routes, errors, documentation."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Request, get
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.static_files import create_static_files_router

from app import __version__
from app.api.body import Bodies
from app.api.condition import show_health
from app.api.errors import HANDLERS, LARGEST_BODY
from app.api.health import Health
from app.api.history import job_events
from app.api.jobs import cancel_job, list_jobs, restart_job, show_job, submit_job
from app.api.logs import job_log, task_log
from app.api.schemas import show_job_schema
from app.api.services import Services

if TYPE_CHECKING:
    from app.log import Log
    from app.settings import Settings
    from app.vault import Vault
    from app.views import Views


@get("/openapi.json", include_in_schema=False, sync_to_thread=False)
def show_openapi(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Return the description of this API for programs."""
    return request.app.openapi_schema.to_schema()


ROUTES = (
    show_openapi,
    show_health,
    submit_job,
    list_jobs,
    show_job,
    cancel_job,
    restart_job,
    job_log,
    task_log,
    job_events,
    show_job_schema,
)
ASSETS = "/assets"
"""Where the files of the documentation page lie, which work without internet."""


def application(log: Log, views: Views, vault: Vault, settings: Settings) -> Litestar:
    """Put the API together over a log, its views, the vault for secrets and the output of tasks."""
    bodies = Bodies(images=settings.runtime == "docker")
    services = Services(log, views, bodies, Health(log, views), vault, settings.output)
    return Litestar(
        [*ROUTES, create_static_files_router(ASSETS, [_swagger_ui()], include_in_schema=False)],
        state=State({"services": services}, deep_copy=False),
        exception_handlers=HANDLERS,
        openapi_config=_openapi(),
        request_max_body_size=LARGEST_BODY,
        logging_config=None,
    )


def _openapi() -> OpenAPIConfig:
    page = SwaggerRenderPlugin(
        path="/",
        js_url=f"{ASSETS}/swagger-ui-bundle.js",
        css_url=f"{ASSETS}/swagger-ui.css",
        standalone_preset_js_url=f"{ASSETS}/swagger-ui-standalone-preset.js",
        favicon=f"<link rel='icon' type='image/png' href='{ASSETS}/favicon-32x32.png'>",
    )
    return OpenAPIConfig(
        title="Jobledger",
        version=__version__,
        path="/docs",
        use_handler_docstrings=True,
        render_plugins=[page],
    )


def _swagger_ui() -> Path:
    """Find the files of the documentation page, which a package brings along, so that it works without internet."""
    spec = find_spec("swagger_ui")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package swagger-ui-py is not installed")
    return Path(spec.origin).parent / "static"
