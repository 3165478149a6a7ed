"""`hamkor report`, `hamkor dictionary`, `hamkor export dhis2`: what others work with, as files."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.downloads import DEMO_PASSWORD, Door, Password, Target, Token, Url, User, download
from deploy.local.errors import StackError
from shared.i18n import Lang

Language = Annotated[Lang, typer.Option("--lang", help="uz, uz-Cyrl, ru or en.")]
Place = Annotated[
    str,
    typer.Option(help="17, a region's or district's SOATO code, or an institution's id; else all that the user sees."),
]
Period = Annotated[str, typer.Option(help="2026-09, 2026-Q3, 2025-26 or 2026.")]


class Format(StrEnum):
    """How the dictionary can be had."""

    PDF = "pdf"
    CSV = "csv"
    MARKDOWN = "md"
    JSON = "json"


class Scheme(StrEnum):
    """How DHIS2 is told what a value is of."""

    UID = "uid"
    CODE = "code"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("report", help=report.__doc__)(report)
    app.command("dictionary", help=dictionary.__doc__)(dictionary)
    dhis2 = typer.Typer(
        name="dhis2",
        help="Places, definitions and values as DHIS2 imports them: `metadata` once, then `values` of any period.",
        no_args_is_help=True,
    )
    dhis2.command("metadata", help=metadata.__doc__)(metadata)
    dhis2.command("values", help=values.__doc__)(values)
    export_group(app).add_typer(dhis2)


def export_group(app: typer.Typer) -> typer.Typer:
    """The group `hamkor export`, made by whoever needs it first."""
    for group in app.registered_groups:
        if group.name == "export" and group.typer_instance is not None:
            return group.typer_instance
    exports = typer.Typer(help="Write the platform's numbers for other systems.", no_args_is_help=True)
    app.add_typer(exports, name="export")
    return exports


def report(
    period: Period,
    output: Target = None,
    place: Place = "",
    lang: Language = Lang.UZ,
    url: Url = "",
    user: User = "ministry",
    password: Password = DEMO_PASSWORD,
    token: Token = "",
) -> None:
    """Write the report of a period as PDF: summary, map, indicators, places, trends, recommendations, definitions.

    Where the period is published its figures are those of the edition; else those known now, and the report says so.

    Example: hamkor report --period 2026-Q3 --lang uz --place 17 -o report.pdf
    """
    target = output or Path(f"hamkor-{place or 'report'}-{period}-{lang}.pdf")
    asked = {"period": period, "place": place, "lang": lang.value}
    download(Door(url, user, password, token), "/v1/report.pdf", asked, target)


def dictionary(
    output: Target = None,
    format_: Annotated[Format, typer.Option("--format", help="pdf, csv, md (Markdown) or json.")] = Format.MARKDOWN,
    lang: Language = Lang.UZ,
    url: Url = "",
    user: User = "ministry",
    password: Password = DEMO_PASSWORD,
    token: Token = "",
) -> None:
    """Write the data dictionary: every indicator with definition, formula, unit, sources, privacy and standard.

    Example: hamkor dictionary --lang ru --format pdf -o dictionary.pdf
    """
    if format_ is Format.PDF and output is None:
        raise StackError("A PDF needs a file: add -o dictionary.pdf.")
    asked = {"format": format_.value, "lang": lang.value}
    download(Door(url, user, password, token), "/v1/dictionary", asked, output)


def metadata(
    output: Target = None,
    place: Place = "",
    depth: Annotated[int, typer.Option(min=0, max=3, help="Levels below the place: 3 reaches institutions.")] = 2,
    lang: Language = Lang.EN,
    url: Url = "",
    user: User = "ministry",
    password: Password = DEMO_PASSWORD,
    token: Token = "",
) -> None:
    """Write what DHIS2 imports first: organisation units, data elements, categories, indicators, data sets.

    Import it with `POST /api/metadata`. Identifiers follow from our codes: importing again changes and never doubles.
    Academic years need DHIS2 2.42 or later.

    Example: hamkor export dhis2 metadata --depth 3 -o metadata.json
    """
    asked = {"place": place, "depth": str(depth), "lang": lang.value}
    download(Door(url, user, password, token), "/v1/dhis2/metadata", asked, output)


def values(
    period: Period,
    output: Target = None,
    place: Place = "",
    depth: Annotated[int, typer.Option(min=0, max=3, help="Levels below the place: 1 is those right below.")] = 1,
    indicator: Annotated[list[str] | None, typer.Option(help="These indicators alone; may be repeated.")] = None,
    scheme: Annotated[Scheme, typer.Option(help="uid, or code where your DHIS2 has its own identifiers.")] = Scheme.UID,
    published: Annotated[bool, typer.Option(help="As published, instead of as known now.")] = False,
    url: Url = "",
    user: User = "ministry",
    password: Password = DEMO_PASSWORD,
    token: Token = "",
) -> None:
    """Write the values of a period as DHIS2 imports them; what is hidden for privacy is left out.

    Import them with `POST /api/dataValueSets`. Periods are written as there: 202609, 2026Q3, 2026, 2025Sep.

    Example: hamkor export dhis2 values --period 2026-Q3 --depth 2 -o values.json
    """
    asked = {
        "period": period,
        "place": place,
        "depth": str(depth),
        "indicator": indicator or [],
        "scheme": scheme.value,
        "published": "true" if published else "",
    }
    download(Door(url, user, password, token), "/v1/dhis2/dataValueSets", asked, output)
