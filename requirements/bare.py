"""What the Python of venv/ begins with: it runs as in a bare environment, whatever PYTHON... variables say there.

install.sh puts this into venv/. What those variables say is meant for other programs: a package that is found in
PYTHONPATH is another than the one that was installed, with PYTHONSAFEPATH no script finds the modules beside it, and
PYTHONWARNINGS may make an error of what a package does. Programs that are started from here have none of them either.
"""

import os
import sys
import warnings
from pathlib import Path

paths = os.environ.pop("PYTHONPATH", "").split(os.pathsep)
given = {os.path.abspath(path) for path in paths if path}
sys.path[:] = [path for path in sys.path if path not in given]
if os.environ.pop("PYTHONSAFEPATH", "") and sys.flags.safe_path:
    sys.path.insert(0, str(Path(sys.prefix).parent))
if os.environ.pop("PYTHONWARNINGS", ""):
    warnings.simplefilter("ignore")
