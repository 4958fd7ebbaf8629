"""The lab grader: releases labs, judges submissions, writes marks and feedback. Needs the extra `grader`."""

import sys

# nbformat imports jsonschema, which imports every format checker that is installed. The one for IRIs spends almost two
# seconds on building a grammar, and nothing here checks an IRI. With None its import fails, as jsonschema expects.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # documented in importlib
