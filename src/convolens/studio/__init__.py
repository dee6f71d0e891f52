"""The studio: look, teach, mend and take away in the browser, on one's own machine.

`serving.py` starts it, `app.py` puts it together. `security.py` stands before every request; `project.py` knows the
folder that was given, `database.py` the one file that what was decided is kept in. `screens/` has a module for each
screen, none of which knows another; `rendering.py` fills their templates. `jobs/` runs the package's own command line
in processes of their own, one after another. Nothing here computes: each screen calls what `convolens` offers anyway,
and says how.
"""

from importlib.util import find_spec

from convolens.errors import need_package

for _module, _package in (
    ("fastapi", "fastapi"),
    ("uvicorn", "uvicorn"),
    ("python_multipart", "python-multipart"),
):
    if find_spec(_module) is None:
        raise need_package(_package, "studio", "studio")
