"""The command line of `scripts/rebuild`."""

from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic

import click

from app import rebuild
from app.log import Log
from app.settings import DEFAULT_DATA, Settings


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path), default=DEFAULT_DATA, envvar="JOBLEDGER_DATA", show_default=True
)
@click.option("--verify", is_flag=True, help="Prove first that the rebuilt equals the live, byte for byte.")
def main(data: Path, *, verify: bool) -> None:
    """Build the read models anew from event 1 and put them into use; the API may go on serving."""
    settings = Settings(data=data)
    if not settings.log.exists():
        raise click.UsageError(f"there is no log in {data}: name the folder with --data")
    began, last = monotonic(), _last(settings)
    with click.progressbar(length=last, label="Rebuilding", file=sys.stderr, show_pos=True) as bar:
        try:
            proof = rebuild.run(settings, lambda position: bar.update(position - bar.pos), verify=verify)
        except (rebuild.Differs, rebuild.Busy) as error:
            raise click.ClickException(str(error)) from error
    seconds = monotonic() - began
    if proof is not None:
        click.echo(f"Proved equal at event {proof.position}: SHA-256 {proof.digest}")
    click.echo(f"Rebuilt {last} events in {seconds:.1f} s ({last / max(seconds, 0.001):,.0f}/s); now in use.")


def _last(settings: Settings) -> int:
    log = Log(settings.log)
    last = log.acknowledged
    log.close()
    return last


if __name__ == "__main__":
    main()
