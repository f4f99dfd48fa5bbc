"""Settings: one frozen object, read once from a TOML file and `DOORWARD_*` variables, then passed down."""

from doorward.settings.declared import FIELDS, Settings, SettingsError
from doorward.settings.reading import load
from doorward.settings.words import HIDDEN, reference, shown

__all__ = ["FIELDS", "HIDDEN", "Settings", "SettingsError", "load", "reference", "shown"]
