"""Questions of researchers to a lake, answered as pandas, Polars or Arrow, and saved for maps and spreadsheets."""

from opensky_assets.research.answer import Answer
from opensky_assets.research.interval import QuestionError
from opensky_assets.research.questions import flights, states, track

__all__ = ["Answer", "QuestionError", "flights", "states", "track"]
