"""What programs need, wherever the tests were started."""

from __future__ import annotations

import pytest
from support import heed_ctrl_c


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    heed_ctrl_c()
