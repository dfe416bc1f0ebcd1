"""`jobledger submit`: hand in a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich_click import RichCommand

from app.cli import exits, files, follow, options, screen
from app.cli.client import Rejected, Unawaited
from app.cli.failure import Failure
from app.cli.identify import Printed

if TYPE_CHECKING:
    from app.cli.client import Client, Document
    from app.cli.failure import Source

TYPES = {"yaml": "text/yaml", "json": "application/json"}


@click.command("submit", cls=RichCommand)
@click.argument("file", metavar="FILE")
@click.option("--wait", is_flag=True, help="Wait until the job has ended.")
@click.option("--follow", "following", is_flag=True, help="Wait, and show what the tasks print, as it comes.")
@options.client
def command(file: str, client: Client, *, wait: bool, following: bool, as_json: bool) -> int:
    """Submit the job in FILE (YAML or JSON; - for stdin) and print its id.

    With --wait and --follow the exit code tells the end: 0 COMPLETED, 1 FAILED, 3 CANCELLED. With --follow the output
    of the tasks goes to stdout, and everything else to stderr. Exit code 2: the file is wrong; 4: no server answers, or
    not within the `wait` of the file.
    """
    if following and as_json:
        msg = "--follow prints what the tasks print, which is no JSON"
        raise Failure(msg, hint="use --wait -o json, or leave -o json out")
    if not (wait or following):
        return _submit_only(client, files.read(file), as_json=as_json)
    try:
        job_id = client.read(_submit(client, files.read(file)))["id"]
    except Unawaited as unawaited:  # who waits here waits as long as it takes
        job_id = unawaited.job_id
    if not as_json:
        (screen.stderr() if following else screen.stdout()).print(job_id)
    return _see_to_its_end(client, job_id, following=following, as_json=as_json)


def _submit(client: Client, source: Source) -> bytes:
    try:
        return client.post("/jobs", source.body, TYPES[files.form(source)])
    except Rejected as rejected:
        rejected.source = source
        raise


def _submit_only(client: Client, source: Source, *, as_json: bool) -> int:
    try:
        body = _submit(client, source)
    except Unawaited as unawaited:
        if not as_json:
            screen.stdout().print(unawaited.job_id)  # all that scripts need to go on
        raise
    if as_json:
        screen.write_json(body)
    else:
        screen.stdout().print(client.read(body)["id"])
    return exits.DONE


def _see_to_its_end(client: Client, job_id: str, *, following: bool, as_json: bool) -> int:
    with follow.watching(job_id) as watcher:
        if following:
            job: Document = follow.follow(client, Printed(f"/jobs/{job_id}/log", job_id), watcher)
        else:
            job = follow.wait(client, job_id, watcher)
    if as_json:
        screen.write_json(client.get(f"/jobs/{job_id}"))
    return exits.OF_STATE[job["state"]]
