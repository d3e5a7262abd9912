"""Make a test set of simulated mice with the bones of another skeleton.

    xray train foreign --skeleton DIR --out FOLDER

See docs/phantom.md.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

from services.cli.train.progress import reporting

HELP: Final = """Make a test set of simulated mice with the bones of another skeleton.

DIR holds an articulated skeleton of named bone meshes: one XML and one NPZ file
(docs/phantom.md says where one comes from). The mice pass through intake and
fuser as those of a training set do. The first ones are controls, equally many
for each of five centres; of the others, half are abnormal.

FOLDER receives the set in the format of a training set, and animals.jsonl with
each specimen's group and findings. An interrupted run continues where it
stopped.

Example: xray train foreign --skeleton skeletons/mouse --out foreign
"""

app = typer.Typer(add_completion=False)


@app.command(name="foreign", help=HELP)
def command(
    *,
    skeleton: Annotated[
        Path, typer.Option("--skeleton", metavar="DIR", exists=True, file_okay=False, help="Folder of the skeleton.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to write; created if missing.")],
    specimens: Annotated[int, typer.Option(min=0, help="Number of specimens besides the controls.")] = 640,
    controls: Annotated[int, typer.Option(min=0, help="Number of controls for each centre.")] = 30,
) -> None:
    """Make the set and print what intake refused."""
    with reporting("stopped; the same command continues from here") as report:
        from training.datasets.foreign import foreign_recipe, make_foreign_set
        from training.datasets.make import refusals

        recipe = foreign_recipe(skeleton, specimens, controls)
        store = make_foreign_set(out, recipe, lambda done, total: report.progress("specimens", done, total))
        refused = refusals(store)
        report.message(f"{recipe.specimens} specimens, of which intake refused {sum(refused.values())}")
        for reason, number in sorted(refused.items()):
            report.message(f"  {number} {reason}")
        typer.echo(out)


if __name__ == "__main__":
    app()
