"""Partners: territory, the register of institutions, the national register of enterprises, and who partners whom.

Emits hamkor.partners.{territory,institution,enrolment,enterprise,partnership}.*; listens to nobody.
Every other service knows institutions and enterprises from these events alone.
"""
