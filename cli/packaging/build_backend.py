"""The build backend: setuptools for an editable installation, and an explanation instead of any other.

The commands work on the files of this checkout, such as ``template.yaml`` and ``schemas/``, so a wheel of the Python
packages alone would not work, and would occupy the general names ``cli`` and ``handlers`` in an environment.
"""

from setuptools import build_meta

get_requires_for_build_editable = build_meta.get_requires_for_build_editable
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable
build_editable = build_meta.build_editable

_EXPLANATION = """\
canvas-events works on the files of its checkout, so it can only be installed from there: run `make`, or
`pip install --editable .` in a virtual environment with the packages of requirements-dev.txt.
To deploy the functions, use `sam build`.
"""


def build_wheel(*_: object, **__: object) -> str:
    """Refuse to build a wheel."""
    raise SystemExit(_EXPLANATION)


def build_sdist(*_: object, **__: object) -> str:
    """Refuse to build a source distribution."""
    raise SystemExit(_EXPLANATION)
