"""The process that prints one document: content as JSON in, the length of the DOCX, the DOCX and the PDF out.

Where a letter has no glyph in the document's font, it ends with NO_GLYPH and that text instead.
"""

import json
import struct
import sys

from services.agreements.rendering.docx import to_docx
from services.agreements.rendering.pdf import to_pdf
from shared.printing.typesetting import NO_GLYPH, MissingGlyph

job = json.load(sys.stdin.buffer)
try:
    pdf = to_pdf(job["content"], job["sha256"])
except MissingGlyph as missing:
    sys.stdout.buffer.write(str(missing).encode())
    sys.exit(NO_GLYPH)
docx = to_docx(job["content"], job["sha256"])
sys.stdout.buffer.write(struct.pack(">I", len(docx)) + docx + pdf)
