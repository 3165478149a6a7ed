"""Workbooks for the tests: forms as others make them, in the manner of the convention's own documentation."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from openpyxl import Workbook

Rows = Sequence[Sequence[Any]]


def a_workbook(**sheets: Rows) -> bytes:
    """The sheets as XLSX."""
    book = Workbook()
    for sheet in book.worksheets:
        book.remove(sheet)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


HOUSEHOLD: Mapping[str, Rows] = {
    "survey": [
        ["type", "name", "label", "hint", "required", "relevant", "constraint", "constraint_message", "appearance"],
        ["start", "start", "", "", "", "", "", "", ""],
        ["end", "end", "", "", "", "", "", "", ""],
        ["note", "welcome", "Thank you for taking part in our household survey.", "", "", "", "", "", ""],
        ["begin_group", "respondent", "About you", "", "", "", "", "", "field-list"],
        ["integer", "age", "How old are you?", "In full years", "yes", "", ". >= 15 and . < 100", "15 to 99.", ""],
        ["select_one sex", "sex", "Sex", "", "yes", "", "", "", "minimal"],
        ["select_one yes_no", "works", "Do you work?", "", "yes", "${age} >= 16", "", "", ""],
        ["end_group", "", "", "", "", "", "", "", ""],
        ["begin group", "work", "Your work", "", "", "${works} = '1'", "", "", ""],
        ["select_multiple sectors or_other", "sectors", "In which sectors?", "", "", "", "", "", ""],
        ["decimal", "hours", "Hours a day", "", "", "", ". > 0 and . <= 24", "Up to 24 hours.", ""],
        ["date", "since", "Since when?", "", "", "", ". <= today()", "Not in the future.", ""],
        ["begin_group", "workplace", "Workplace", "", "", "", "", "", ""],
        ["text", "where", "Where do you work?", "", "yes", "count-selected(${sectors}) > 0", "", "", ""],
        ["end_group", "", "", "", "", "", "", "", ""],
        ["end group", "", "", "", "", "", "", "", ""],
        ["range", "happy", "How content are you, from 1 to 5?", "", "", "", "", "", ""],
        ["note", "bye", "That was all.", "", "", "", "", "", ""],
    ],
    "choices": [
        ["list_name", "name", "label"],
        ["yes_no", 1, "Yes"],
        ["yes_no", 0, "No"],
        ["sex", "f", "Female"],
        ["sex", "m", "Male"],
        ["sectors", "trade", "Trade"],
        ["sectors", "farming", "Farming"],
    ],
    "settings": [["form_title", "form_id", "version"], ["Household survey 2026", "household-2026", "2026112701"]],
}
HOUSEHOLD_WITH_RANGE = {
    **HOUSEHOLD,
    "survey": [
        [*row, "parameters" if place == 0 else "start=1 end=5 step=1" if row[0] == "range" else ""]
        for place, row in enumerate(HOUSEHOLD["survey"])
    ],
}
TRAINING: Mapping[str, Rows] = {
    "survey": [
        ["type", "name", "label::English (en)", "label::Russian (ru)", "required", "appearance", "parameters"],
        ["begin_group", "rating", "Rate the course", "Оцените курс", "", "table-list", ""],
        ["select_one agree", "clear", "The aims were clear", "Цели были ясны", "yes", "", ""],
        ["select_one agree", "useful", "I can use what I learnt", "Я могу применить изученное", "yes", "", ""],
        ["end_group", "", "", "", "", "", ""],
        ["begin_group", "future", "What next", "Что дальше", "", "", ""],
        ["range", "recommend", "Would you recommend it?", "Порекомендуете ли вы его?", "", "", "start=0 end=10 step=1"],
        ["range", "share", "Which share was new?", "Какая часть была новой?", "", "", "start=0 end=1 step=0.1"],
        ["text", "better", "What could be better?", "Что можно улучшить?", "", "multiline", ""],
        ["end_group", "", "", "", "", "", ""],
    ],
    "choices": [
        ["list_name", "name", "label::English (en)", "label::Russian (ru)"],
        ["agree", 1, "Disagree", "Не согласен"],
        ["agree", 2, "Neither", "Ни то ни другое"],
        ["agree", 3, "Agree", "Согласен"],
    ],
    "settings": [["form_title", "form_id", "default_language"], ["Course feedback", "course", "English (en)"]],
}
AT_MOST_2 = "count-selected(.) <= 2"
EMPLOYERS: Mapping[str, Rows] = {
    "survey": [
        [
            "type",
            "name",
            "label::English",
            "label::Русский",
            "relevance",
            "required",
            "constraint",
            "hamkor::dimension",
        ],
        ["select one branch", "branch", "Branch", "Отрасль", "", "true()", "", ""],
        ["int", "staff", "How many people work here?", "Сколько человек здесь работает?", "", "", ". > 0", ""],
        [
            "select_one fit",
            "fit",
            "Do graduates fit?",
            "Подходят ли выпускники?",
            "${staff} > 1",
            "yes",
            "",
            "relevance",
        ],
        [
            "select_multiple lacks",
            "lacks",
            "What do they lack?",
            "Чего не хватает?",
            "${fit} != 'well'",
            "",
            AT_MOST_2,
            "",
        ],
    ],
    "choices": [
        ["list name", "name", "label::English", "label::Русский", "hamkor_score"],
        ["branch", "build", "Construction", "Строительство", ""],
        ["branch", "trade", "Trade", "Торговля", ""],
        ["fit", "well", "Well", "Хорошо", 100],
        ["fit", "partly", "Partly", "Отчасти", 50],
        ["fit", "badly", "Badly", "Плохо", 0],
        ["lacks", "theory", "Theory", "Теории", ""],
        ["lacks", "practice", "Practice", "Практики", ""],
        ["lacks", "manners", "Manners", "Воспитания", ""],
    ],
    "settings": [["form_title", "form_id"], ["Employers 2026", "employers"]],
}
