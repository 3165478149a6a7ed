"""Errors told without quoting: an exception's text may hold an answer or a code."""

from pathlib import Path


def told_discreetly(problem: BaseException) -> dict[str, str]:
    """The kind of an error and the line it came from, for a log."""
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return {"error": type(problem).__name__, "place": place}
