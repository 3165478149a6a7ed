"""Values every template can be filled with."""

from datetime import date

from services.agreements.domain.documents.content import Content
from services.agreements.domain.documents.filling import Filling, fill
from services.agreements.templates import templates
from shared.contracts.final_stage import DocumentKind
from shared.i18n import Lang

TODAY = date(2026, 11, 24)
VALUES = {
    "city": "Jizzax shahri",
    "institution_name": "Jizzax politexnikumi",
    "institution_address": "Jizzax sh., Sharof Rashidov koʻchasi, 18-uy",
    "institution_head": "Rahimova Saida Oripovna",
    "enterprise_name": "“Zafar Mash” masʼuliyati cheklangan jamiyati",
    "enterprise_stir": "302118804",
    "enterprise_address": "Jizzax sh., Sanoat koʻchasi, 4-uy",
    "enterprise_head": "Karimov Anvar Gʻaniyevich",
    "specialty": "Metall kesish dastgohlari operatori",
    "group": "2-kurs, 21-24-guruh",
    "students_count": "24",
    "starts_on": "2026-12-01",
    "ends_on": "2027-02-28",
    "practice_supervisor": "Toʻrayev Bekzod",
    "enterprise_mentor": "Yoʻldoshev Oʻtkir",
    "student_name": "Qodirova Hilola",
    "guardian_name": "Qodirov Shuhrat",
    "teacher_name": "Ergashev Nodir",
    "teacher_position": "maxsus fan oʻqituvchisi",
    "hours": "72",
    "quorum_percent": "50",
    "meetings_per_year": "4",
    "order_number": "41-U",
    "order_date": "2026-08-28",
    "due_on": "2027-01-15",
    "review_fee": "1500000",
    "employer_name": "“Zafar Mash” MChJ",
    "employer_stir": "302118804",
    "employer_address": "Jizzax sh., Sanoat koʻchasi, 4-uy",
    "employer_head": "Karimov Anvar Gʻaniyevich",
    "worker_name": "Qodirova Hilola Shuhrat qizi",
    "worker_address": "Jizzax tumani, Uchtepa QFY",
    "position": "Dastgoh operatori, 2-toifa",
    "department": "Mexanika sexi",
    "probation_months": "3",
    "salary": "4500000",
    "weekly_hours": "40",
    "leave_days": "21",
    "mentor_name": "Yoʻldoshev Oʻtkir",
    "coordinator_post": "ishlab chiqarish taʼlimi boʻyicha direktor oʻrinbosari",
}
TABLES = {
    "programme": (("Raqamli boshqaruvli dastgohlar", "36"), ("Oʻlchov va sifat nazorati", "36")),
    "works": (("“Kesuvchi asboblar” moduli dasturi", "N. Ergashev", "oʻquv dasturi"),),
}
KNOWN_TABLES = {
    "schedule": (
        ("2026-1", "01.12.2026 – 31.12.2026", "7223", "12"),
        ("2027-1", "10.01.2027 – 28.02.2027", "7223", "12"),
    ),
    "members": (
        ("Karimov Anvar", "Korxona", "Bosh muhandis", "1-sen, 2026 – muddatsiz"),
        ("Rahimova Saida", "Taʼlim muassasasi", "Direktor", "1-sen, 2026 – 1-sen, 2029"),
    ),
}


def a_filling(kind: DocumentKind, **changes: str) -> Filling:
    """Everything the template of this kind takes, with these values changed."""
    template = templates()[kind]
    values = {**VALUES, **changes}
    return Filling(
        values={field.name: values[field.name] for field in template.fields},
        tables={table.name: TABLES[table.name] for table in template.given_tables},
        known_tables={table.name: KNOWN_TABLES[table.name] for table in template.tables if not table.given},
        more_sides=(("hokimiyat", "Jizzax shahar hokimligi"),) if template.form is not None else (),
    )


def a_document(kind: DocumentKind, language: Lang = Lang.UZ, **changes: str) -> Content:
    """A filled document of this kind."""
    return fill(templates()[kind], language, a_filling(kind, **changes), "2026/AF1-0007", TODAY)
