"""The process that prints one file: its page's name and content as JSON in, the PDF out."""

import json
import sys

from services.monitoring.outputs.printing.pages import to_pdf
from shared.printing.typesetting import NO_GLYPH, MissingGlyph

job = json.load(sys.stdin.buffer)
try:
    pdf = to_pdf(job["page"], job["content"])
except MissingGlyph as missing:
    sys.stdout.buffer.write(str(missing).encode())
    sys.exit(NO_GLYPH)
sys.stdout.buffer.write(pdf)
