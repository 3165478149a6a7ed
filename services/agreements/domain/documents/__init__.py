"""R11: documents – what a template is, how it is filled and issued under a number; its hash tells it apart."""
