"""The figures of a pilot: what people made of the suggestions, estimated with care and without small cells."""

from smart_app.pilot.facts import EncounterFacts, PilotStore, Reading
from smart_app.pilot.figures import Figures, figures
from smart_app.pilot.views import add_pilot

__all__ = ["EncounterFacts", "Figures", "PilotStore", "Reading", "add_pilot", "figures"]
