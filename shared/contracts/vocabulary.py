"""Codes of the method that several services speak: stable identifiers, never shown to people without their text."""

from enum import StrEnum


class Form(StrEnum):
    """Forms of agreement (DOMAIN.md, AF1–AF9)."""

    AF1 = "AF1"  # student internship
    AF2 = "AF2"  # employment of graduates
    AF3 = "AF3"  # expert review of educational and methodical documents
    AF4 = "AF4"  # internship of pedagogical staff
    AF5 = "AF5"  # joint commercial project
    AF6 = "AF6"  # training of unemployed people
    AF7 = "AF7"  # participation in final state certification
    AF8 = "AF8"  # enterprise specialists in teaching
    AF9 = "AF9"  # other


class Opportunity(StrEnum):
    """What cooperation is for (DOMAIN.md, O1–O7)."""

    O1 = "O1"  # labour-market information
    O2 = "O2"  # employers' requirements in the content of training
    O3 = "O3"  # new or changed curricula and programmes
    O4 = "O4"  # places for students' practice
    O5 = "O5"  # short internships of teachers at enterprises
    O6 = "O6"  # employment of graduates
    O7 = "O7"  # joint commercial projects


class PartnerCategory(StrEnum):
    """Categories of social partner: any organisation that is not itself an institution."""

    ENTERPRISE = "enterprise"
    LABOUR_BODY = "labour_body"
    HOKIMIYAT = "hokimiyat"
    EDUCATION_MANAGEMENT = "education_management"
    TRADE_UNION = "trade_union"
    INDUSTRY_ASSOCIATION = "industry_association"


class PartyCategory(StrEnum):
    """Who signs an agreement: the institution, a social partner, or a learner (with guardian)."""

    INSTITUTION = "institution"
    ENTERPRISE = "enterprise"
    LABOUR_BODY = "labour_body"
    HOKIMIYAT = "hokimiyat"
    EDUCATION_MANAGEMENT = "education_management"
    TRADE_UNION = "trade_union"
    INDUSTRY_ASSOCIATION = "industry_association"
    STUDENT = "student"


class InstitutionKind(StrEnum):
    """Kinds of educational institution."""

    SCHOOL = "school"
    VOCATIONAL_SCHOOL = "vocational_school"
    COLLEGE = "college"
    TECHNIKUM = "technikum"
    LYCEUM = "lyceum"
    UNIVERSITY = "university"


class EnterpriseSize(StrEnum):
    """Enterprise size classes by number of employees: <10, <50, <250, 250 and more."""

    MICRO = "micro"
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class RespondentGroup(StrEnum):
    """Respondent groups of the questionnaires (DOMAIN.md, S1–S5)."""

    S1 = "S1"  # sector employers
    S2 = "S2"  # host employers
    S3 = "S3"  # students in practice
    S4 = "S4"  # graduates
    S5 = "S5"  # teachers


class TerritoryLevel(StrEnum):
    """Levels above the institution."""

    NATION = "nation"
    REGION = "region"
    DISTRICT = "district"


LANGUAGES = ("uz", "uz-Cyrl", "ru", "en")
