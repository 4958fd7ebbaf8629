"""Where this package lies.

`helpers.__file__` does not always say: run in a course whose folder `helpers/` holds only the checks' numbers, Python
takes `helpers` for a namespace package, which has no file.
"""

from pathlib import Path

PACKAGE = Path(__file__).parent
