"""One module a family of commands: each has a `typer.Typer` called `app`, which the command line finds by itself."""
