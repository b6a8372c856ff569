"""Does something answer over HTTP?"""

from __future__ import annotations

import requests

_SECONDS = 5.0


def answers(url: str) -> bool:
    """Whether a GET is answered with 200 within a few seconds."""
    try:
        with requests.get(url, timeout=_SECONDS, allow_redirects=False, stream=True) as answer:
            return answer.status_code == 200
    except requests.RequestException:
        return False
