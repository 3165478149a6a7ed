"""The process that prints one document: content as JSON in, the length of the DOCX, the DOCX and the PDF out."""

import json
import struct
import sys

from services.agreements.rendering.docx import to_docx
from services.agreements.rendering.pdf import to_pdf

job = json.load(sys.stdin.buffer)
docx = to_docx(job["content"], job["sha256"])
sys.stdout.buffer.write(struct.pack(">I", len(docx)) + docx + to_pdf(job["content"], job["sha256"]))
